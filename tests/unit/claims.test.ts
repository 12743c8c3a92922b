/** Claims of local clusters' ports. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { claim, type LocalRuntime, problem } from "../../components/clusters/lifecycle/check";
import { clusterDirectory } from "../../lib/paths";
import { freePorts } from "../../lib/ports";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "claims-"));
const given = { ...process.env };
const none: LocalRuntime = {
  name: "kwok",
  program: "kwokctl",
  find: () => Promise.resolve(undefined),
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
  deleteCommand: (name) => `kwokctl --name ${name} delete cluster`,
};
let port: number;

before(async () => {
  Object.assign(process.env, { XDG_DATA_HOME: directory, XDG_CACHE_HOME: directory });
  port = await freePorts(3);
});
after(() => {
  for (const name of ["XDG_DATA_HOME", "XDG_CACHE_HOME"]) {
    if (given[name] === undefined) delete process.env[name];
    else process.env[name] = given[name];
  }
  fs.rmSync(directory, { recursive: true });
});

const cluster = (name: string, ...ports: number[]) => ({ name, context: `kwok-${name}`, ports });
const refused = (name: string, owner: string, ...ports: number[]) =>
  problem(none, cluster(name, ...ports), owner, undefined, "npm run rebuild");

test("a port that another stack has claimed is refused, before anything listens there", async () => {
  await claim(none, cluster("bob-east", port, port + 1), `stack bob of ${directory}`);
  const told = await refused("carol-east", "stack carol of /home/carol/mesh", port + 1, port + 2);
  assert.equal(
    told,
    `port ${port + 1}, which cluster carol-east needs, belongs to cluster bob-east of stack bob of ${directory}. ` +
      "Next: write another mesh:portBase (or another port in mesh:ports) into Pulumi.<stack>.yaml, " +
      `or take that stack down. If it is down already: rm -r ${clusterDirectory("bob-east")}`,
  );
  const began = Date.now();
  await assert.rejects(
    claim(none, cluster("carol-east", port), "stack carol of /home/carol/mesh"),
    /belongs to cluster/,
  );
  assert.ok(Date.now() - began < 5_000, "it waited for a port that another stack keeps");
  assert.equal(await refused("carol-east", "stack carol of /home/carol/mesh", port + 2), undefined);
});

test("a claim does not count when its clone is gone", async () => {
  await claim(none, cluster("dave-east", port + 2), `stack dave of ${directory}/removed`);
  assert.equal(await refused("carol-east", "stack carol of /home/carol/mesh", port + 2), undefined);
});

test("a stack's own claims do not stand in its way", async () => {
  assert.equal(await refused("bob-west", `stack bob of ${directory}`, port + 1), undefined);
  // The clone was moved.
  assert.equal(await refused("bob-east", "stack bob of /home/bob/moved", port), undefined);
});
