/**
 * `npm run status`, `graph` and `view` on real API servers, as a person types them. Pods are simulated (kwok), so no
 * service is mirrored and no link is probed: the acceptance run on k3d sees both.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { MeshStatus } from "../../status/model";
import { eventually } from "../lib/eventually";
import { TestStack } from "../lib/stack";

let stack: TestStack;
let started: string;

before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok" });
  started = (await stack.script("start", stack.name)).output;
});
after(async () => {
  await stack.end();
});

const status = (output: string) => JSON.parse(output.slice(output.indexOf("{"))) as MeshStatus;

test("npm start ends with the status", () => {
  assert.match(started, /^√ {2}west +edge-26\.8\.3 +192\.0\.2\.1 +2\/2 +simulated +3649 d +364 d/m);
  assert.match(started, /^- {2}east->west +simulated +0$/m);
  assert.match(started, /nginx-set-0, nginx-set-1, nginx-set-2 +east: nginx-svc-west and 3 pods, simulated$/m);
  assert.match(started, /pods are simulated: no service is mirrored, and no traffic flows/);
});

test("npm run status says the same for programs", async () => {
  const { ok, output } = await stack.script("status", stack.name, "--json");
  assert.ok(ok, output);
  const { clusters, links, services, problems } = status(output);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    clusters.map(({ name, isSimulated, linkerd }) => [name, isSimulated, linkerd]),
    [
      ["east", true, "edge-26.8.3"],
      ["west", true, "edge-26.8.3"],
    ],
  );
  assert.deepEqual(
    links.map(({ state }) => state),
    ["simulated", "simulated"],
  );
  assert.deepEqual(services.map(({ cluster, name }) => `${cluster} ${name}`).sort(), [
    "west nginx-invalid-deploy-svc",
    "west nginx-no-ports-svc",
    "west nginx-svc",
  ]);
});

test("npm run graph writes both files", async () => {
  const [svg, mermaid] = [join(stack.home.directory, "mesh.svg"), join(stack.home.directory, "mesh.mmd")];
  const { ok, output } = await stack.script("graph", stack.name, "--svg", svg, "--mermaid", mermaid);
  assert.ok(ok, output);
  assert.match(readFileSync(svg, "utf8"), /^<svg [^]*exports nginx-svc[^]*<\/svg>\n$/);
  assert.match(readFileSync(mermaid, "utf8"), /^flowchart LR\n[^]*c0 -->\|"simulated"\| c1\n/);
});

test("npm run view follows the clusters, and ends with a signal", async () => {
  const child = spawn(process.execPath, ["cli/run.mjs", "view", stack.name], {
    cwd: stack.checkout,
    env: stack.scriptEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const url = await eventually(() => {
      const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
      assert.ok(found, said);
      return Promise.resolve(found);
    }, 60);
    const events = await fetch(`${url}/events`);
    const reader = events.body?.getReader();
    let text = "";
    while (!text.includes("\n\n")) text += new TextDecoder().decode((await reader?.read())?.value);
    assert.match(text, /^data: \{"status":\{"stack":/);
    assert.ok(!text.includes("client-key-data"));
    await reader?.cancel();
  } finally {
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
  }
});

test("a cluster that is down is shown with the rest, and with the next command", async () => {
  const args = ["--name", `${stack.name}-west`, "stop", "cluster"];
  await promisify(execFile)("kwokctl", args, { env: stack.scriptEnvironment() });
  const { ok, output } = await stack.script("status", stack.name, "--json");
  assert.equal(ok, false);
  const { clusters, problems } = status(output);
  assert.deepEqual(
    clusters.map(({ name, down }) => [name, down !== undefined]),
    [
      ["east", false],
      ["west", true],
    ],
  );
  assert.match(problems[0]?.what ?? "", /^west does not answer: .*ECONNREFUSED/);
  assert.equal(problems[0]?.next, `npm start -- ${stack.name}`);
});
