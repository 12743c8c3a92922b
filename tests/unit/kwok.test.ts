/** Clusters made and deleted while kwokctl is missing, or killed at moments too short to hit by chance. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { program } from "../../components/clusters/program";
import { makePlan } from "../../config/plan";
import { preflight } from "../../components/clusters/preflight";
import { checkSettings } from "../../config/settings";

const execute = promisify(execFile);
const root = path.join(__dirname, "../..");

let home: string;
/** kwok's own directory of the cluster. */
let cluster: string;

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), "kwok-test-"));
  cluster = path.join(home, ".kwok/clusters/alice-east");
  fs.mkdirSync(cluster, { recursive: true });
});
afterEach(() => fs.rmSync(home, { recursive: true }));

/**
 * Runs the program that clears a cluster, as the graph does.
 *
 * @param kwokctl a shell script in place of kwokctl: it ends where the real one is killed
 */
async function remove(kwokctl: string): Promise<void> {
  fs.mkdirSync(path.join(home, "bin"), { recursive: true });
  fs.writeFileSync(path.join(home, "bin/kwokctl"), `#!/bin/sh\n${kwokctl}\n`, { mode: 0o755 });
  const spec = { name: "alice-east", context: "kwok-alice-east", domain: "east.cluster.local", ports: [] };
  const inherited = Object.entries(process.env).filter(([key]) => !/^(XDG_|KUBE|KWOK_)/.test(key));
  const env = {
    ...Object.fromEntries(inherited),
    HOME: home,
    PATH: `${home}/bin:${process.env.PATH}`,
    MESH_CLUSTER: JSON.stringify(spec),
    MESH_OWNER: "alice@here",
  };
  await execute("sh", ["-c", program("components/clusters/lifecycle/kwok.ts", "delete")], { cwd: root, env });
}

const left = () => [".kwok/clusters", ".local/share/linkerd-multicluster-mesh"].flatMap((folder) => fs.readdirSync(path.join(home, folder))); // prettier-ignore

test("if kwokctl is killed after it removed the owner's file, the cluster still belongs to its owner", async () => {
  for (const file of ["kwok.yaml", "etcd.log"]) fs.writeFileSync(path.join(cluster, file), "");
  fs.writeFileSync(path.join(cluster, "mesh-owner"), "alice@here");
  await assert.rejects(remove(`rm ${cluster}/mesh-owner; kill -9 $$`), /kwokctl --name alice-east delete cluster/);
  assert.deepEqual(left(), ["alice-east", "alice-east"]);
  await remove("true");
  assert.deepEqual(left(), []);
});

test("a cluster that was begun but not signed yet is cleared", async () => {
  await remove("false");
  assert.deepEqual(left(), []);
});

test("a cluster without an owner is left alone", async () => {
  fs.writeFileSync(path.join(cluster, "kwok.yaml"), "");
  await remove("false");
  assert.deepEqual(fs.readdirSync(cluster), ["kwok.yaml"]);
});

test("a missing kwokctl is reported before anything is created", async () => {
  const { PATH } = process.env;
  process.env.PATH = home;
  try {
    const settings = checkSettings({ runtime: "kwok" }, root);
    await assert.rejects(
      preflight({ plan: makePlan("alice", settings), settings, owner: "alice@here" }),
      /runtime is kwok, but kwokctl is not on PATH\. Next: npm start -- alice/,
    );
  } finally {
    process.env.PATH = PATH;
  }
});
