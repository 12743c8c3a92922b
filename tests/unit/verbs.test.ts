import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { root } from "../../lib/paths";

function ended(error: string): string {
  const script = `
    const { UserError } = require("./lib/run");
    require("./lib/verbs").runToEnd(async () => { throw ${error}; });
  `;
  const words = ["--require", "tsx/cjs", "-e", script];
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: "utf8" });
  assert.equal(status, 1);
  return stderr;
}

test("a program of the graph prints a refusal as a sentence, and any other error with its stack trace", () => {
  assert.equal(ended('new UserError("port 1 is taken")'), "port 1 is taken\n");
  assert.match(ended('new TypeError("of our own making")'), /^TypeError: of our own making\n {4}at /);
});
