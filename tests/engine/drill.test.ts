/**
 * `npm run drill` on real API servers: whatever it breaks comes back exactly, also when the drill is interrupted or
 * killed. Pods are simulated (kwok), so no request is sent; the figures of docs/drills.md come from the real mesh.
 */
import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { DrillReport } from "../../drill/report";
import { eventually } from "../lib/eventually";
import { TestStack } from "../lib/stack";

let stack: TestStack;
let contexts: Record<string, { context: string }>;

before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok" });
  await stack.bringUp();
  ({ clusters: contexts } = await stack.outputs<{ clusters: typeof contexts }>());
});
after(async () => {
  await stack.end();
});

interface KubernetesObject {
  metadata: { managedFields?: { subresource?: string }[]; [field: string]: unknown };
  spec?: { replicas?: number };
  data?: unknown;
}

async function kubectl(cluster: string, ...args: string[]): Promise<string> {
  const context = contexts[cluster]?.context ?? "";
  const { stdout } = await promisify(execFile)("kubectl", ["--context", context, ...args], { env: stack.scriptEnvironment() }); // prettier-ignore
  return stdout;
}

async function get(cluster: string, namespace: string, name: string): Promise<KubernetesObject> {
  const text = await kubectl(cluster, "-n", namespace, "get", name, "-o", "json", "--show-managed-fields");
  return JSON.parse(text) as KubernetesObject;
}

const drilled = [
  ["west", "default", "statefulset/nginx-set"],
  ["west", "linkerd-multicluster", "deployment/linkerd-gateway"],
  ["west", "linkerd", "secret/linkerd-identity-issuer"],
  ["east", "linkerd-multicluster", "deployment/controller-west"],
  ["east", "linkerd-multicluster", "links.multicluster.linkerd.io/west"],
] as const;

/** Everything that drills change, as far as a user wrote it: the field managers too, who decide about later conflicts. */
async function snapshot(): Promise<unknown[]> {
  const objects = drilled.map(async ([cluster, namespace, name]) => {
    const { metadata, spec, data } = await get(cluster, namespace, name);
    const { name: own, labels, annotations, ownerReferences, finalizers, managedFields = [] } = metadata;
    const managers = managedFields.filter(({ subresource }) => subresource === undefined);
    return { own, labels, annotations, ownerReferences, finalizers, managers, spec, data };
  });
  return Promise.all(objects);
}

const gatewayReplicas = async () => (await get("west", "linkerd-multicluster", "deployment/linkerd-gateway")).spec?.replicas; // prettier-ignore
const recordFile = () => path.join(stack.checkout, ".state/drills", `${stack.name}.json`);

/** Starts a drill that would last ten minutes, and waits until the gateway is broken. */
async function brokenGateway(): Promise<{ child: ChildProcess; ended: Promise<number | null>; said: () => string }> {
  let text = "";
  const child = spawn(process.execPath, ["cli/run.mjs", "drill", "gateway", stack.name, "--seconds", "600"], {
    cwd: stack.checkout,
    env: stack.scriptEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await eventually(async () => assert.equal(await gatewayReplicas(), 0, text), 120);
  return { child, ended, said: () => text };
}

/** What a drill is noticed by. Nothing in Kubernetes is wrong about a StatefulSet that has fewer pods. */
const noticed = {
  pod: undefined,
  gateway: /^health\.gateway \(west\)|^west has no ready pod/,
  link: /^health\.link \(east->west\)|has no Link west/,
  controller: /^health\.controller \(east->west\)|controller-west is scaled to 0/,
  certificate: /^health\.issuer \(west\)|^west's issuer has expired/,
  cluster: /^west does not answer/,
};

for (const [id, notice] of Object.entries(noticed)) {
  test(`drill ${id} is noticed, and puts everything back`, async () => {
    const whole = await snapshot();
    const file = path.join(stack.home.directory, `${id}.json`);
    const { ok, output } = await stack.script("drill", id, stack.name, "--seconds", "15", "--json", file);
    assert.deepEqual(await snapshot(), whole);
    assert.ok(ok, output);
    assert.ok(!existsSync(recordFile()), "nothing is left to restore");
    const { drills } = JSON.parse(readFileSync(file, "utf8")) as { drills: DrillReport[] };
    const [report] = drills;
    assert.ok(report);
    assert.deepEqual(report.names, [], "pods are simulated: nothing can be asked");
    assert.match(output, /pods are simulated, so no request is sent/);
    assert.ok(report.seconds >= 15, String(report.seconds));
    assert.ok(report.allYesAfter !== undefined && report.verifyAfter.no.length === 0);
    if (notice) assert.ok(report.notices.some(({ what }) => notice.test(what)), output); // prettier-ignore
  });
}

test("no secret is left in the cluster, and a preview shows no change", async () => {
  const secrets = await kubectl("west", "-n", "linkerd", "get", "secrets", "-o", "name");
  assert.doesNotMatch(secrets, /before-drill/);
  const preview = await stack.preview();
  assert.ok(preview.ok, preview.output);
  assert.deepEqual(preview.changes, []);
});

test("a drill that cannot run here is refused before anything is broken", async () => {
  const { ok, output } = await stack.script("drill", "network", stack.name);
  assert.equal(ok, false);
  assert.match(output, /drops packets between k3d's nodes: simulated nodes exchange none\. Next: npm run drill/);
  const none = await stack.script("drill", "gateway", stack.name, "--source", "west", "--target", "west");
  assert.match(none.output, /has no link west->west; allowed: east->west, west->east/);
});

test("while a drill runs, an update, another drill and heal are refused; SIGTERM restores", async () => {
  const whole = await snapshot();
  const { child, ended, said } = await brokenGateway();
  try {
    const [update, second, heal] = await Promise.all([
      stack.up(),
      stack.script("drill", "link", stack.name),
      stack.script("heal", stack.name),
    ]);
    assert.ok(!update.ok && /currently locked by 1 lock/.test(update.output), update.output);
    for (const { ok, output } of [second, heal]) assert.ok(!ok && /a drill of stack \S+ runs/.test(output), output);
    assert.equal(await gatewayReplicas(), 0, "heal must not restore what a running drill broke");
  } finally {
    child.kill("SIGTERM");
  }
  assert.equal(await ended, 143, said());
  assert.match(said(), /SIGTERM: restoring, please wait/);
  assert.deepEqual(await snapshot(), whole);
  assert.ok((await stack.up()).ok, "the lock is released");
});

test("after SIGKILL, heal restores", async () => {
  const whole = await snapshot();
  const { child, ended } = await brokenGateway();
  child.kill("SIGKILL");
  await ended;
  assert.equal(await gatewayReplicas(), 0);
  const dry = await stack.script("heal", stack.name, "--dry-run");
  assert.match(dry.output, /Would restore what a killed drill gateway on east->west broke/);
  assert.equal(await gatewayReplicas(), 0);
  const { ok, output } = await stack.script("heal", stack.name);
  assert.ok(ok, output);
  assert.match(output, /drill gateway on east->west was killed before it could restore: restoring now/);
  assert.deepEqual(await snapshot(), whole);
});

test("after SIGKILL, the next drill restores before it breaks something", async () => {
  const whole = await snapshot();
  const { child, ended } = await brokenGateway();
  child.kill("SIGKILL");
  await ended;
  const { ok, output } = await stack.script("drill", "controller", stack.name, "--seconds", "2");
  assert.ok(ok, output);
  assert.match(output, /restoring now[^]*Restored\.[^]*broken: controller-west in east is scaled to 0/);
  assert.deepEqual(await snapshot(), whole);
});

test("what someone else changed since the kill is left alone", async () => {
  const { child, ended } = await brokenGateway();
  child.kill("SIGKILL");
  await ended;
  await kubectl("west", "-n", "linkerd-multicluster", "scale", "deployment/linkerd-gateway", "--replicas", "3");
  const { ok, output } = await stack.script("heal", stack.name);
  assert.ok(ok, output);
  assert.equal(await gatewayReplicas(), 3);
});
