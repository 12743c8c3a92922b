/**
 * `npm start` of a mesh with a pod that will not become ready says why and stops, instead of waiting for ten minutes.
 * The tests run in order, on one stack of one cluster.
 *
 * Pods on kwok never crash, so the test plays the kubelet: a scheduling gate keeps the scheduler and kwok away from the pod,
 * and the test writes a status as kubelets do. The scheduler's own refusals are real.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { Api } from "../lib/api";
import { eventually } from "../lib/eventually";
import { succeeded, TestStack } from "../lib/stack";

const pods = "/api/v1/namespaces/default/pods";

let stack: TestStack;

before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok", "mesh:clusters": ["east"] });
  fs.rmSync(path.join(stack.checkout, "manifests/west"), { recursive: true });
});
after(async () => {
  await stack.end();
});

const original = () => fs.readFileSync(path.join(__dirname, "../../manifests/east/curl.yaml"), "utf8");

/** Adds fields to the spec of curl's pods. */
function editPods(...lines: string[]): void {
  const fields = lines.map((line) => `      ${line}\n`).join("");
  stack.editManifest("east/curl.yaml", () => original().replace(/^ {6}containers:\n/m, `${fields}$&`));
}

async function east(): Promise<Api> {
  const directory = path.join(stack.home.directory, ".local/share/linkerd-multicluster-mesh");
  const file = path.join(directory, `${stack.name}-east`, "kubeconfig");
  return eventually(() => new Api(fs.readFileSync(file, "utf8")), 300);
}

/** A kubelet's report of a container that ended for the fourth time. */
async function crash(api: Api, pod: string, container: string): Promise<void> {
  const ended = new Date().toISOString();
  const statuses = [
    {
      name: container,
      image: "curlimages/curl:8.17.0",
      imageID: "",
      ready: false,
      started: false,
      restartCount: 3,
      state: {
        waiting: { reason: "CrashLoopBackOff", message: `back-off 40s restarting failed container=${container}` },
      },
      lastState: { terminated: { exitCode: 78, reason: "Error", startedAt: ended, finishedAt: ended } },
    },
  ];
  const { status } = await api.ask("PATCH", `${pods}/${pod}/status`, { status: { containerStatuses: statuses } });
  assert.equal(status, 200);
}

/** The pod that a crash happens to: the only one that is gated. */
async function gated(api: Api): Promise<string> {
  return eventually(async () => {
    const found = (await api.list(`${pods}?labelSelector=app%3Dcurl`)).find(({ spec }) => spec?.schedulingGates);
    assert.ok(found);
    return found.metadata.name;
  }, 300);
}

/** The output from there on: short enough to be read where an assertion fails. */
function from(beginning: string, output: string): string {
  assert.ok(output.includes(beginning), output);
  return output.slice(output.indexOf(beginning));
}

test("a crash loop stops npm start, which names container and reason, and what to type next", async (t) => {
  editPods("schedulingGates: [{ name: example.com/kubelet }]");
  const starting = stack.script("start", stack.name);
  const api = await east();
  const pod = await gated(api);
  await crash(api, pod, "curl");
  const began = Date.now();
  const { ok, output } = await starting;
  const seconds = (Date.now() - began) / 1000;
  t.diagnostic(`${seconds.toFixed(1)} s from the crash to the end of npm start`);

  assert.equal(ok, false, output);
  const told = from("container curl of Deployment curl fails again and again:", output);
  assert.match(told, new RegExp(`cluster +east\\n +pod +default/${pod}\\n +container +curl\\n`));
  assert.match(told, /reason +CrashLoopBackOff, last exit code 78 \(Error\), 3 restarts\n/);
  assert.match(told, /no log lines: the log is empty\n/);
  const kubectl = `kubectl --context kwok-${stack.name}-east -n default`;
  assert.ok(told.includes(`${kubectl} describe pod ${pod}\n`), told);
  assert.match(told, new RegExp(`Next: npm start -- ${stack.name} goes on where it stopped`));
  assert.ok(seconds < 90, `${seconds} s`);
});

test("after the repair npm start continues, even if the old pod stays", async () => {
  stack.editManifest("east/curl.yaml", original);
  succeeded(await stack.script("start", stack.name));
  assert.deepEqual(succeeded(await stack.up()).changes, []);
});

test("a pod that finds no node stops npm start, in the scheduler's words; somebody else's crash does not", async () => {
  const api = await east();
  const foreign = { name: "foreign", image: "example.com/foreign" };
  await api.create(pods, {
    metadata: { name: "foreign" },
    spec: { schedulingGates: [{ name: "example.com/kubelet" }], containers: [foreign] },
  });
  await crash(api, "foreign", "foreign");
  editPods("nodeSelector: { example.com/none: here }");
  const { ok, output } = await stack.script("start", stack.name);
  assert.equal(ok, false, output);
  const told = from("a pod of Deployment curl finds no node:", output);
  assert.match(told, /reason +Unschedulable: 0\/1 nodes are available: .*affinity\/selector/);
  assert.match(told, /describe pod curl-/);
  assert.doesNotMatch(output, /foreign/);

  stack.editManifest("east/curl.yaml", original);
  succeeded(await stack.script("start", stack.name));
});
