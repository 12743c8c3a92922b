import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { test } from "node:test";

/** Prints which of the two are loaded: after loading the SDK, after a function was serialized, after its modules were looked for. */
const script = `
  require("./sdk.cjs");
  const { runtime } = require("@pulumi/pulumi");
  const loaded = () => ["typescript/lib/typescript.js", "@npmcli/arborist/lib/arborist/index.js"].map(
    (file) => Object.keys(require.cache).some((name) => name.endsWith(file)));
  const told = [loaded()];
  void (async () => {
    const { text } = await runtime.serializeFunction((n) => n + 1);
    told.push(loaded());
    const paths = await runtime.computeCodePaths({ extraIncludePaths: [] });
    told.push(loaded());
    console.log(JSON.stringify({ told, text, paths: paths.size }));
  })();
`;

test("the SDK comes without the TypeScript compiler and npm's tree, until something is asked of them", () => {
  const cwd = path.join(__dirname, "../..");
  const { told, text, paths } = JSON.parse(
    execFileSync(process.execPath, ["-e", script], { cwd, encoding: "utf8" }),
  ) as { told: boolean[][]; text: string; paths: number };
  assert.deepEqual(told, [
    [false, false],
    [true, false],
    [true, true],
  ]);
  assert.match(text, /n \+ 1/);
  assert.ok(paths > 0);
});
