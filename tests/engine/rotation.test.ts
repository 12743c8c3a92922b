/**
 * Rotations on real API servers, one of them interrupted and continued. A client asks at every moment whether each
 * proxy would accept each other one. The proxies are modelled: see tests/lib/trustWatch.ts.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Api } from "../lib/api";
import { capture } from "../../lib/run";
import { eventually } from "../lib/eventually";
import { succeeded, TestStack } from "../lib/stack";
import { TrustWatch } from "../lib/trustWatch";

interface Outputs {
  kubeconfigs: Record<string, string>;
  trustAnchorExpires: string;
  clusters: Record<string, { issuerExpires: string }>;
}

let stack: TestStack;
let outputs: Outputs;

/** Kubernetes does not restart its pods when their template changes. */
const onDelete = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name: "vault" },
  spec: {
    serviceName: "vault",
    replicas: 2,
    updateStrategy: { type: "OnDelete" },
    selector: { matchLabels: { app: "vault" } },
    template: { metadata: { labels: { app: "vault" } }, spec: { containers: [{ name: "vault", image: "vault" }] } },
  },
};

before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok" });
  fs.writeFileSync(path.join(stack.checkout, "manifests/west/vault.yaml"), JSON.stringify(onDelete));
  await script("start", stack.name);
  outputs = await stack.outputs<Outputs>({ showSecrets: true });
});
after(async () => {
  await stack.end();
});

async function script(...words: string[]): Promise<string> {
  return succeeded(await stack.script(...words)).output;
}

function watchTrust(): TrustWatch {
  const clusters = Object.entries(outputs.kubeconfigs).map(
    ([name, kubeconfig]) => [name, new Api(kubeconfig)] as const,
  );
  return new TrustWatch(Object.fromEntries(clusters));
}

/** Runs it under watch, and asserts that no proxy ever met one that it would refuse. */
async function watched(work: () => Promise<void>): Promise<TrustWatch> {
  const watch = watchTrust();
  try {
    await work();
    // The last old pods may still be terminating.
    await sleep(1000);
  } finally {
    await watch.end();
  }
  assert.deepEqual([...watch.refusals], []);
  assert.ok(watch.looks > 20, `${watch.looks} looks`);
  return watch;
}

async function unchanged(): Promise<void> {
  assert.deepEqual(succeeded(await stack.up()).changes, []);
}

test("new issuers: pods restart, and all trust each other all the time", async (t) => {
  const { seen, looks, pairs } = await watched(async () => void (await script("rotate", "issuers", stack.name)));
  t.diagnostic(`${looks} looks, ${pairs} pairs of proxies`);
  // An old and a new one for each cluster.
  assert.deepEqual([seen.anchors.size, seen.issuers.size], [1, 4]);
  await unchanged();
});

const sets = "/apis/apps/v1/namespaces/default/statefulsets";

function west(): Api {
  return new Api(outputs.kubeconfigs.west ?? "");
}

test("a rotation restarts pods with update strategy OnDelete, and leaves scaled replicas alone", async () => {
  const scale = { spec: { replicas: 5 } };
  assert.equal((await west().ask("PATCH", `${sets}/nginx-set/scale`, scale)).status, 200);
  const uids = async (app: string) => {
    const pods = await west().list(`/api/v1/namespaces/default/pods?labelSelector=app%3D${app}`);
    return pods.map(({ metadata }) => metadata.uid ?? "");
  };
  await eventually(async () => assert.equal((await uids("nginx-set")).length, 5));
  const before = [...(await uids("vault")), ...(await uids("nginx-set"))];

  await script("rotate", "issuers", stack.name);
  const after = [...(await uids("vault")), ...(await uids("nginx-set"))];
  assert.equal(after.length, 7);
  assert.deepEqual(after.filter((uid) => before.includes(uid)), []); // prettier-ignore
  assert.equal((await west().get(`${sets}/nginx-set`)).body.spec?.replicas, 5);
  await unchanged();
  assert.equal((await west().get(`${sets}/nginx-set`)).body.spec?.replicas, 5);
});

test("a pod with other anchors restarts alone; one that never gets the present anchors is named", async () => {
  const restart = () =>
    capture(process.execPath, ["--require", "tsx/cjs", "components/restartPods.ts"], {
      cwd: stack.checkout,
      env: { MESH_KUBECONFIG: outputs.kubeconfigs.west ?? "" },
    });
  assert.deepEqual(await restart(), { code: 0, stdout: "", stderr: "" });

  const stale = { metadata: { annotations: { "linkerd.io/trust-root-sha256": "of other anchors" } } };
  assert.equal((await west().ask("PATCH", "/api/v1/namespaces/default/pods/nginx-set-1", stale)).status, 200);
  assert.deepEqual(await restart(), { code: 0, stdout: "restarting pod default/nginx-set-1\n", stderr: "" });

  const vault = "/api/v1/namespaces/default/pods/vault-1";
  const template = (annotation: string | null) => ({
    spec: { template: { metadata: { annotations: { "linkerd.io/trust-root-sha256": annotation } } } },
  });
  assert.equal((await west().ask("PATCH", `${sets}/vault`, template("of other anchors"))).status, 200);
  assert.equal((await west().ask("PATCH", vault, stale)).status, 200);
  const { code, stderr } = await restart();
  assert.notEqual(code, 0);
  assert.match(stderr, /these pods have old trust anchors after 4 restarts: default\/vault-1/);

  assert.equal((await west().ask("PATCH", `${sets}/vault`, template(null))).status, 200);
  assert.equal((await west().ask("DELETE", vault)).status, 200);
  await eventually(async () => assert.equal((await restart()).stdout, ""));
});

test("a meshed pod without a controller is named, and nothing is rotated", async () => {
  const containers = ["app", "linkerd-proxy"].map((name) => ({ name, image: name }));
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "bare" }, spec: { containers } };
  await west().create("/api/v1/namespaces/default/pods", pod);
  const before = stack.settings();
  const { ok, output } = await stack.script("rotate", "anchor", stack.name);
  assert.equal(ok, false);
  assert.match(output, /nothing was rotated, because:\nwest: pod default\/bare has no controller, .* Next: kubectl /);
  assert.deepEqual(stack.settings(), before);
  assert.equal((await west().ask("DELETE", "/api/v1/namespaces/default/pods/bare")).status, 200);
});

test("a rotation of the anchor, killed in its second step and continued, always has a common anchor", async (t) => {
  const { seen, looks, pairs } = await watched(async () => {
    const rotation = stack.script("rotate", "anchor", stack.name);
    const settings = () => stack.settings()["mesh:trustAnchors"];
    await eventually(() => assert.deepEqual(settings(), [2, 1]));
    const engine = await eventually(async () => {
      const found = (await stack.processes()).find(({ command }) => /^\S*pulumi up /.test(command));
      assert.ok(found);
      return found;
    });
    await sleep(6_000);
    process.kill(engine.pid, "SIGKILL");
    const { ok, output } = await rotation;
    assert.equal(ok, false);
    assert.match(output, new RegExp(`Next: npm run rotate -- anchor ${stack.name} continues it`));
    await script("rotate", "anchor", stack.name);
  });
  t.diagnostic(`${looks} looks, ${pairs} pairs of proxies`);
  assert.deepEqual(stack.settings()["mesh:trustAnchors"], [2]);
  // Old, both, new. In each cluster the previous issuer, one of each step that makes them, and one of the resumption.
  assert.equal(seen.anchors.size, 3);
  assert.ok(seen.issuers.size >= 6, `${seen.issuers.size} issuers`);
  await unchanged();
});

test("the watch sees an anchor that is replaced in one step", async () => {
  const watch = watchTrust();
  stack.configure({ "mesh:trustAnchors": [3] });
  try {
    await script("start", stack.name);
  } finally {
    await watch.end();
  }
  assert.notEqual(watch.refusals.size, 0);
});
