import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as path from "node:path";
import { test } from "node:test";

/** Prints which other parts are loaded: at first, and after each was used. */
const script = `
  require("./lib/sdk.cjs");
  const { automation, runtime } = require("@pulumi/pulumi");
  const rest = ["typescript/lib/typescript.js", "@npmcli/arborist/lib/arborist/index.js", "automation/localWorkspace.js"];
  const loaded = () => rest.filter((file) => Object.keys(require.cache).some((name) => name.endsWith(file))).length;
  const told = [loaded()];
  void (async () => {
    const { text } = await runtime.serializeFunction((n) => n + 1);
    told.push(loaded());
    const paths = await runtime.computeCodePaths({ extraIncludePaths: [] });
    told.push(loaded());
    const workspace = typeof automation.LocalWorkspace.create;
    told.push(loaded());
    console.log(JSON.stringify({ told, text, paths: paths.size, workspace }));
  })();
`;

test("the SDK loads the compiler, npm's tree and the Automation API only when they are used", () => {
  const cwd = path.join(__dirname, "../..");
  const { told, text, paths, workspace } = JSON.parse(
    execFileSync(process.execPath, ["-e", script], { cwd, encoding: "utf8" }),
  ) as { told: number[]; text: string; paths: number; workspace: string };
  assert.deepEqual(told, [0, 1, 2, 3]);
  assert.match(text, /n \+ 1/);
  assert.ok(paths > 0);
  assert.equal(workspace, "function");
});

test("if an SDK has moved one of them, all of it is loaded, with a warning", () => {
  const moved = `
    const Module = require("node:module");
    const resolve = Module._resolveFilename;
    Module._resolveFilename = function (request, from, ...rest) {
      if (request === "@npmcli/arborist" && from.filename.endsWith("sdk.cjs")) throw Object.assign(new Error("moved"), { code: "MODULE_NOT_FOUND" });
      return resolve.call(this, request, from, ...rest);
    };
    require("./lib/sdk.cjs");
    console.log(typeof require("@pulumi/pulumi").Output);
  `;
  const cwd = path.join(__dirname, "../..");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["-e", moved], { cwd, encoding: "utf8" });
  assert.deepEqual([status, stdout], [0, "function\n"]);
  assert.match(stderr, /has no @npmcli\/arborist\. The SDK is loaded whole/);
});
