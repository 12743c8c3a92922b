import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineEvent } from "../../stacks/eventLog";
import { FaultFinder } from "../../stacks/pods/faults";
import { type Workload, WorkloadsInFlight } from "../../stacks/pods/inFlight";
import { accessTo } from "../../stacks/pods/kubeconfig";
import { newestPods } from "../../stacks/pods/newestPods";
import { PodWatch } from "../../stacks/pods/watch";
import { describeFaults, nextCommands, type Report } from "../../stacks/pods/words";
import { run } from "../../lib/run";
import { ownKubeconfig } from "../../lib/paths";
import { client, type ContainerStatus, type Pod, type ReplicaSet } from "../../verify/api";
import { eventually } from "../lib/eventually";

const provider = (cluster: string) =>
  `urn:pulumi:dev::mesh::mesh:index:Mesh$mesh:index:K3dCluster$pulumi:providers:kubernetes::mesh-${cluster}::6f3c`;
const chart = "mesh:index:Mesh$mesh:index:Linkerd$mesh:index:Objects";

function metadata(kind: string, name: string, { op = "create", from = provider("east"), namespace = "linkerd" } = {}) {
  const urn = `urn:pulumi:dev::mesh::${chart}$kubernetes:apps/v1:${kind}::mesh-east-control-plane:${namespace}/${name}`;
  const inputs = { apiVersion: "apps/v1", kind, metadata: { name, namespace }, spec: { replicas: 1 } };
  return { op, urn, provider: from, new: { inputs } };
}
const begin = (...of: Parameters<typeof metadata>): EngineEvent => ({
  resourcePreEvent: { metadata: metadata(...of) },
});
const end = (...of: Parameters<typeof metadata>): EngineEvent => ({ resOutputsEvent: { metadata: metadata(...of) } });
const fail = (...of: Parameters<typeof metadata>): EngineEvent => ({ resOpFailedEvent: { metadata: metadata(...of) } });

void describe("workloads in flight", () => {
  const after = (...events: EngineEvent[]) => {
    const inFlight = new WorkloadsInFlight();
    events.forEach((event, second) => inFlight.see(event, second * 1000));
    return inFlight
      .begunBy(60_000)
      .map(({ cluster, kind, namespace, name }) => `${cluster} ${kind} ${namespace}/${name}`);
  };
  const destination = "linkerd-destination";

  void test("are in flight from their beginning to their end", () => {
    const begun = [begin("Deployment", destination), begin("StatefulSet", "nginx-set", { namespace: "default" })];
    const both = ["east Deployment linkerd/linkerd-destination", "east StatefulSet default/nginx-set"];
    assert.deepEqual(after(...begun), both);
    assert.deepEqual(after(...begun, end("Deployment", destination)), both.slice(1));
    assert.deepEqual(after(...begun, fail("Deployment", destination)), both.slice(1));
  });
  void test("belong to the cluster whose provider they have", () => {
    assert.deepEqual(after(begin("DaemonSet", "x", { from: provider("west-2") })), ["west-2 DaemonSet linkerd/x"]);
  });
  void test("exclude those only deleted, unchanged, without pods, or outside the mesh's clusters", () => {
    const other = "urn:pulumi:dev::mesh::pulumi:providers:kubernetes::default_4_34_2::id";
    assert.deepEqual(
      after(
        begin("Deployment", "a", { op: "delete" }),
        begin("Deployment", "b", { op: "same" }),
        begin("Service", "c"),
        begin("Deployment", "d", { from: other }),
        {
          resourcePreEvent: {
            metadata: { op: "create", urn: "urn:pulumi:dev::mesh::mesh:index:Mesh::mesh", new: null },
          },
        },
      ),
      [],
    );
  });
  void test("are listed by age", () => {
    const inFlight = new WorkloadsInFlight();
    inFlight.see(begin("Deployment", destination), 5000);
    assert.equal(inFlight.begunBy(4999).length, 0);
    assert.equal(inFlight.begunBy(5000).length, 1);
  });
  void test("count a replacement's two steps as two", () => {
    const created = { op: "create-replacement" };
    assert.equal(after(begin("Job", "j", created), end("Job", "j", { op: "delete-replaced" })).length, 1);
    assert.equal(after(begin("Job", "j", created), end("Job", "j", created)).length, 0);
  });
});

const ownedBy = (kind: string, uid: string) => [{ apiVersion: "apps/v1", kind, name: "x", uid, controller: true }];

void describe("the pods that a workload is waiting for", () => {
  const pod = (name: string, kind: string, uid: string, labels = {}, more = {}): Pod => ({
    metadata: { name, uid: name, labels, ownerReferences: ownedBy(kind, uid), ...more },
  });
  const replicaSet = (uid: string, owner: string, revision: string): ReplicaSet => ({
    metadata: {
      uid,
      ownerReferences: ownedBy("Deployment", owner),
      annotations: { "deployment.kubernetes.io/revision": revision },
    },
  });
  const names = (pods: Pod[]) => pods.map(({ metadata }) => metadata?.name);
  const sets = [replicaSet("old", "d", "1"), replicaSet("new", "d", "2"), replicaSet("other", "e", "2")];
  const pods = [
    pod("old-1", "ReplicaSet", "old"),
    pod("new-1", "ReplicaSet", "new"),
    pod("other-1", "ReplicaSet", "other"),
    pod("new-2", "ReplicaSet", "new", {}, { deletionTimestamp: new Date() }),
  ];
  const deployment = (generation: number, observedGeneration: number) => ({
    metadata: { uid: "d", generation, annotations: { "deployment.kubernetes.io/revision": "2" } },
    status: { observedGeneration },
  });

  void test("of a Deployment are those of its newest ReplicaSet", () => {
    assert.deepEqual(names(newestPods({ kind: "Deployment", object: deployment(3, 3) }, sets, pods)), ["new-1"]);
  });
  void test("of a Deployment are unknown until its controller has seen the change", () => {
    assert.deepEqual(names(newestPods({ kind: "Deployment", object: deployment(3, 2) }, sets, pods)), []);
  });
  void test("of a StatefulSet are all, because an old unready one is not replaced, unless its pods are made in parallel", () => {
    const hash = (value: string) => ({ "controller-revision-hash": value });
    const both = [pod("s-0", "StatefulSet", "s", hash("s-1")), pod("s-1", "StatefulSet", "s", hash("s-2"))];
    const of = (podManagementPolicy?: string) => {
      const spec = { podManagementPolicy, selector: {}, serviceName: "s", template: {} };
      const object = { metadata: { uid: "s" }, spec, status: { updateRevision: "s-2", replicas: 2 } };
      return names(newestPods({ kind: "StatefulSet", object }, [], both));
    };
    assert.deepEqual(of(), ["s-0", "s-1"]);
    assert.deepEqual(of("Parallel"), ["s-1"]);
  });
  void test("of a DaemonSet are those of its newest template", () => {
    const object = { metadata: { uid: "d", annotations: { "deprecated.daemonset.template.generation": "2" } } };
    const of = (generation: string) =>
      pod(`d-${generation}`, "DaemonSet", "d", { "pod-template-generation": generation });
    assert.deepEqual(names(newestPods({ kind: "DaemonSet", object }, [], [of("1"), of("2")])), ["d-2"]);
  });
  void test("of a Job is the last one", () => {
    const of = (minute: number) =>
      pod(`j-${minute}`, "Job", "j", {}, { creationTimestamp: new Date(Date.UTC(2026, 0, 1, 0, minute)) });
    assert.deepEqual(names(newestPods({ kind: "Job", object: { metadata: { uid: "j" } } }, [], [of(2), of(1)])), [
      "j-2",
    ]);
  });
  void test("of a ReplicaSet or a Pod are its own", () => {
    assert.deepEqual(names(newestPods({ kind: "ReplicaSet", object: { metadata: { uid: "old" } } }, [], pods)), [
      "old-1",
    ]);
    assert.deepEqual(names(newestPods({ kind: "Pod", object: { metadata: { uid: "old-1" } } }, [], pods)), ["old-1"]);
  });
});

const workload: Workload = { cluster: "east", kind: "Deployment", namespace: "linkerd", name: "linkerd-destination" };
const podName = "linkerd-destination-7d9c8b6f5-x2x4q";
const at = (second: number) => new Date(Date.UTC(2026, 0, 1) + second * 1000);
const ended = (exitCode: number, reason: string, second: number) => ({
  exitCode,
  reason,
  startedAt: at(second - 1),
  finishedAt: at(second),
  containerID: "containerd://1",
});

function status(more: Partial<ContainerStatus>): ContainerStatus {
  const image = "cr.l5d.io/linkerd/policy-controller:edge-26.8.3";
  return { name: "policy", image, imageID: "", ready: false, restartCount: 0, ...more };
}

function podWith(
  statuses: ContainerStatus[],
  more: { init?: ContainerStatus[]; spec?: object; metadata?: object } = {},
): Pod {
  return {
    metadata: {
      name: podName,
      namespace: "linkerd",
      uid: "pod",
      ownerReferences: ownedBy("ReplicaSet", "set"),
      ...more.metadata,
    },
    spec: { restartPolicy: "Always", containers: [], ...more.spec },
    status: { phase: "Running", containerStatuses: statuses, initContainerStatuses: more.init },
  };
}

const backOff = (seconds: number) => ({
  waiting: {
    reason: "CrashLoopBackOff",
    message: `back-off ${seconds}s restarting failed container=policy pod=${podName}_linkerd(pod)`,
  },
});
const running = (second: number) => ({ running: { startedAt: at(second) } });

/** When a fault is reported if pods are looked at every three seconds, and the fault's reason. */
function toldAt(seen: (second: number) => Pod, last = 600, first = 1): { second: number; reason: string } | undefined {
  const finder = new FaultFinder();
  for (let second = first; second <= last; second += 3) {
    const [fault] = finder.judge(workload, [seen(second)], second * 1000);
    if (fault) return { second, reason: fault.reason };
  }
  return undefined;
}

/**
 * A container that crashes each time it has run for so long, as the kubelet reports it: restarted at once, then after
 * 10, 20, 40, ... seconds.
 *
 * @param probed whether it has a readiness probe, which never passes; without one it is ready while it runs
 */
function crashing(ranFor: number, { probed = true, exitCode = 1 } = {}): (second: number) => ContainerStatus {
  return (second) => {
    let [start, wait, restartCount] = [-ranFor, 0, 0];
    for (;;) {
      const crash = start + ranFor;
      const lastState = restartCount > 0 ? { terminated: ended(exitCode, "Error", start) } : {};
      if (second < crash) return status({ restartCount, ready: !probed, state: running(start), lastState });
      const terminated = ended(exitCode, exitCode === 0 ? "Completed" : "Error", crash);
      if (second < crash + wait) return status({ restartCount, state: backOff(wait), lastState: { terminated } });
      [start, wait, restartCount] = [crash + wait, wait === 0 ? 10 : Math.min(2 * wait, 300), restartCount + 1];
    }
  };
}

void describe("a container that crashes", () => {
  void test("is a fault within 90 s of its first crash, however long it runs each time, once it has had a minute", () => {
    for (const probed of [true, false]) {
      for (let ranFor = 0.5; ranFor <= (probed ? 80 : 15); ranFor += 0.5) {
        // Pods are looked at from five seconds after the workload was begun.
        const told = toldAt((second) => podWith([crashing(ranFor, { probed })(second)]), 600, 8);
        assert.ok(told && told.second >= 60, `${ranFor} s, told after ${told?.second}`);
        assert.ok(told.second <= 87, `${ranFor} s, told after ${told.second}`);
      }
    }
  });
  void test("is reported with its exit code and restarts, without the kubelet's message about the wait", () => {
    const told = toldAt((second) => podWith([crashing(1)(second)]));
    assert.equal(told?.reason, "CrashLoopBackOff, last exit code 1 (Error), 3 restarts");
  });
  void test("is a fault even if it exits with 0 each time", () => {
    assert.ok(toldAt((second) => podWith([crashing(2, { exitCode: 0 })(second)])));
  });
  void test("for lack of memory is reported as such", () => {
    const lastState = { terminated: ended(137, "OOMKilled", 1) };
    const told = toldAt(() => podWith([status({ restartCount: 4, state: backOff(40), lastState })]));
    assert.equal(told?.reason, "CrashLoopBackOff, last exit code 137 (OOMKilled), 4 restarts");
  });
  void test("is no fault when it finally stays up, ready or not yet ready", () => {
    const lastState = { terminated: ended(1, "Error", 13) };
    for (const ready of [true, false]) {
      const up = status({ restartCount: 2, ready, state: running(33), lastState });
      assert.equal(
        toldAt((second) => podWith([second < 33 ? crashing(1)(second) : up])),
        undefined,
      );
    }
  });
  void test("long ago, and ready since then, gets its minute again", () => {
    const lastState = { terminated: ended(1, "Error", 13) };
    const up = status({ restartCount: 2, ready: true, state: running(33), lastState });
    const again = (second: number) => status({ ...crashing(1)(second - 301), restartCount: 5 });
    const told = toldAt((second) => podWith([second < 33 ? crashing(1)(second) : second < 301 ? up : again(second)]));
    assert.ok(told && told.second >= 361, String(told?.second));
  });
  void test("once is no fault, whatever the cluster's clock says", () => {
    const lastState = { terminated: ended(1, "Error", -1) };
    for (const skew of [-600, 600]) {
      const up = status({ restartCount: 1, state: running(skew), lastState });
      assert.equal(
        toldAt(() => podWith([up])),
        undefined,
      );
    }
  });
  void test("and restarts with its node is no fault", () => {
    const lastState = { terminated: ended(255, "Unknown", 1) };
    const starting = status({ restartCount: 7, state: { waiting: { reason: "ContainerCreating" } }, lastState });
    assert.equal(
      toldAt(() => podWith([starting])),
      undefined,
    );
  });
  void test("is a fault as an init container and as a sidecar, while the others wait", () => {
    const waiting = status({ name: "proxy", state: { waiting: { reason: "PodInitializing" } } });
    for (const name of ["linkerd-init", "linkerd-proxy"]) {
      const init = (second: number) => [{ ...crashing(3)(second), name }];
      const finder = new FaultFinder();
      const faults = [1, 31, 62, 80].flatMap((second) =>
        finder.judge(workload, [podWith([waiting], { init: init(second) })], second * 1000),
      );
      assert.deepEqual([...new Set(faults.map(({ container }) => container))], [name]);
    }
  });
  void test("is no fault as an init container that is done", () => {
    const done = { name: "linkerd-init", ready: true, state: { terminated: ended(0, "Completed", 1) } };
    const init = [status({ ...done, restartCount: 2, lastState: { terminated: ended(1, "Error", 0) } })];
    assert.equal(
      toldAt(() => podWith([status({ ready: true, state: running(2) })], { init })),
      undefined,
    );
  });
  void test("in a Job's pods counts across them", () => {
    const pod = (second: number) => {
      const number = second < 20 ? 1 : second < 50 ? 2 : 3;
      const references = ownedBy("Job", "job");
      return podWith([status({ state: { terminated: ended(1, "Error", 1) } })], {
        metadata: { uid: `pod-${number}`, ownerReferences: references },
        spec: { restartPolicy: "Never" },
      });
    };
    assert.equal(toldAt(pod)?.second, 61);
  });
});

void describe("a container that cannot be started", () => {
  for (const [reason, message] of [
    ["CreateContainerConfigError", 'secret "linkerd-policy" not found'],
    ["RunContainerError", 'exec: "/policy": no such file or directory'],
    ["CreateContainerError", "context deadline exceeded"],
  ] as const) {
    void test(`is a fault after a minute, with the kubelet's message: ${reason}`, () => {
      const told = toldAt(() => podWith([status({ state: { waiting: { reason, message } } })]));
      assert.deepEqual(told, { second: 61, reason: `${reason}, 0 restarts, ${message}` });
    });
  }
  void test("is no fault while it is being made", () => {
    for (const reason of ["ContainerCreating", "PodInitializing"])
      assert.equal(
        toldAt(() => podWith([status({ state: { waiting: { reason } } })])),
        undefined,
      );
  });
});

void describe("an image that cannot be pulled", () => {
  const message = "failed to pull and unpack image: dial tcp: lookup cr.l5d.io: no such host";
  const pulling = (second: number) => (second % 2 === 0 ? "ErrImagePull" : "ImagePullBackOff");
  const image = (reason: string) => status({ state: { waiting: { reason, message } } });

  void test("is a fault after 45 s, with its name and the kubelet's message", () => {
    const told = toldAt((second) => podWith([image(pulling(second))]));
    assert.equal(told?.second, 46);
    assert.match(
      told?.reason ?? "",
      /^ErrImagePull of cr\.l5d\.io\/linkerd\/policy-controller:edge-26\.8\.3: .*no such host$/,
    );
  });
  void test("is no fault if it arrives before that", () => {
    const up = status({ ready: true, state: running(40) });
    assert.equal(
      toldAt((second) => podWith([second < 40 ? image(pulling(second)) : up])),
      undefined,
    );
  });
  void test("of an init container is a fault", () => {
    const waiting = status({ state: { waiting: { reason: "PodInitializing" } } });
    assert.ok(toldAt((second) => podWith([waiting], { init: [{ ...image(pulling(second)), name: "linkerd-init" }] })));
  });
});

void describe("a pod that cannot be scheduled", () => {
  const message = "0/1 nodes are available: 1 Insufficient memory.";
  const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
  const pending = (more: object = {}): Pod => ({
    metadata: { name: podName, namespace: "linkerd", uid: "pod" },
    status: { phase: "Pending", conditions: [{ ...condition, ...more }] },
  });
  void test("is a fault after a minute, with the scheduler's message", () => {
    assert.deepEqual(
      toldAt(() => pending()),
      { second: 61, reason: `Unschedulable: ${message}` },
    );
  });
  void test("is no fault when it gets a node, or waits for a gate", () => {
    assert.equal(
      toldAt((second) => pending(second < 50 ? {} : { status: "True", reason: undefined })),
      undefined,
    );
    assert.equal(
      toldAt(() => pending({ reason: "SchedulingGated" })),
      undefined,
    );
  });
});

void describe("the report of a fault", () => {
  const report: Report = {
    workload,
    namespace: "linkerd",
    pod: podName,
    uid: "pod",
    problem: "crash",
    container: "policy",
    reason: "CrashLoopBackOff, last exit code 1 (Error), 3 restarts",
    log: ["Error: no CRDs"],
    previous: true,
    context: "k3d-east",
  };
  const commands = (more: Partial<Report>) =>
    nextCommands([{ ...report, ...more }]).filter((line) => line.startsWith("  kubectl"));
  const kubectl = "  kubectl --context k3d-east -n linkerd";

  void test("says where, what and why", () => {
    const text = describeFaults([report]).join("\n");
    for (const part of [
      "east",
      `linkerd/${podName}`,
      "policy",
      "CrashLoopBackOff",
      "exit code 1",
      "    Error: no CRDs",
    ])
      assert.ok(text.includes(part), part);
    const withoutLog = describeFaults([{ ...report, log: [], noLog: "403: forbidden" }]);
    assert.match(withoutLog.join("\n"), /no log lines: 403: forbidden/);
  });
  void test("ends with commands to look at it and to try it again", () => {
    assert.deepEqual(commands({}), [
      `${kubectl} logs ${podName} -c policy --previous`,
      `${kubectl} delete pod ${podName}`,
    ]);
    assert.deepEqual(commands({ previous: false })[0], `${kubectl} logs ${podName} -c policy`);
    for (const more of [{ log: [] }, { problem: "image" as const }])
      assert.deepEqual(commands(more)[0], `${kubectl} describe pod ${podName}`);
    assert.deepEqual(commands({ problem: "scheduling", log: [] }), [`${kubectl} describe pod ${podName}`]);
    assert.match(commands({ file: "/a/config" })[0] ?? "", /kubectl --kubeconfig \/a\/config --context k3d-east /);
  });
});

void describe("the watch over pods", () => {
  // Loading it takes a while, once.
  before(() => client());
  const servers: http.Server[] = [];
  after(() => servers.forEach((server) => server.close()));
  const seconds = { after: 0.05, every: 0.02 };
  const patience = { crash: 0.1, image: 0.1, scheduling: 0.1 };
  const loop = status({ restartCount: 3, state: backOff(40), lastState: { terminated: ended(1, "Error", 1) } });
  const unschedulable = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" };

  type Answer = { status?: number; body: unknown };
  const refused = (message: string): Answer => ({ status: 403, body: { kind: "Status", message } });
  const list = (...items: object[]): Answer => ({ body: { items } });
  /** Answers of a cluster with one Deployment and one pod, by the end of the path. */
  const cluster = (pod: Pod): Record<string, Answer> => ({
    "/deployments/linkerd-destination": {
      body: {
        metadata: { uid: "d", generation: 1, annotations: { "deployment.kubernetes.io/revision": "1" } },
        status: { observedGeneration: 1 },
      },
    },
    "/replicasets": list({
      metadata: {
        uid: "set",
        ownerReferences: ownedBy("Deployment", "d"),
        annotations: { "deployment.kubernetes.io/revision": "1" },
      },
    }),
    "/pods": list(pod),
    "/log": { body: "starting\nError: no CRDs\n" },
    "/events": list(),
  });

  async function watched(answers: Record<string, Answer>, events = [begin("Deployment", "linkerd-destination")]) {
    const asked: string[] = [];
    const server = http.createServer((request, response) => {
      const { pathname, search } = new URL(request.url ?? "", "http://x");
      asked.push(`${pathname}${search}`);
      const [, answer] = Object.entries(answers).find(([ending]) => pathname.endsWith(ending)) ?? [];
      const { status = 200, body } = answer ?? { status: 404, body: { message: "not found" } };
      const type = typeof body === "string" ? "text/plain" : "application/json";
      response.writeHead(status, body === "" ? {} : { "content-type": type });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const kubeconfig = JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "k3d-east", cluster: { server: url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "k3d-east", user: {} }],
      contexts: [{ name: "k3d-east", context: { cluster: "k3d-east", user: "k3d-east" } }],
      "current-context": "k3d-east",
    });
    const watch = new PodWatch(() => Promise.resolve({ kubeconfig }), new FaultFinder(patience), seconds);
    for (const event of events) watch.see(event);
    return { watch, asked };
  }
  /** Lets it look for a second, or until it finds a fault, and returns what it says last. */
  async function lastWords({ watch }: { watch: PodWatch }, ms = 1000): Promise<{ found: boolean; words: string }> {
    const running = watch.run();
    await Promise.race([running, sleep(ms)]);
    watch.end();
    await running;
    return { found: watch.faultFound.aborted, words: watch.lastWords().join("\n") };
  }
  /** Waits up to 10 s for the fault, as a busy machine may need, and returns what it says last. */
  async function wordsOnFault(one: { watch: PodWatch }): Promise<string> {
    const { found, words } = await lastWords(one, 10_000);
    assert.ok(found, words);
    return words;
  }
  /** Waits up to 10 s until it has looked in vain, and returns what it says last. */
  async function wordsWhenBlind({ watch }: { watch: PodWatch }): Promise<string> {
    const running = watch.run();
    for (const end = Date.now() + 10_000; watch.lastWords().length === 0 && Date.now() < end;) await sleep(20);
    watch.end();
    await running;
    assert.ok(!watch.faultFound.aborted);
    return watch.lastWords().join("\n");
  }

  void test("finds a crash loop, with its log", async () => {
    const one = await watched(cluster(podWith([loop])));
    assert.match(
      await wordsOnFault(one),
      new RegExp(`kubectl --context k3d-east -n linkerd logs ${podName} -c policy --previous`),
    );
    assert.ok(
      one.asked.some((path) => /\/log\?.*previous=true.*tailLines=10/.test(path)),
      one.asked.join("\n"),
    );
  });
  void test("finds one whose log it may not read", async () => {
    const words = await wordsOnFault(await watched({ ...cluster(podWith([loop])), "/log": refused("no logs") }));
    assert.match(words, /describe pod/);
  });
  void test("finds one that wrote no log", async () => {
    const words = await wordsOnFault(await watched({ ...cluster(podWith([loop])), "/log": { body: "" } }));
    assert.match(words, /describe pod/);
  });
  void test("ignores a pod for which an autoscaler is creating a node, and a pod of unknown state", async () => {
    const pending = podWith([]);
    pending.status = { conditions: [unschedulable] };
    const events = (answer: Answer) => watched({ ...cluster(pending), "/events": answer });
    await wordsOnFault(await events(list()));
    await wordsOnFault(await events(list({ reason: "NotTriggerScaleUp" })));
    for (const reason of ["TriggeredScaleUp", "Nominated"])
      assert.ok(!(await lastWords(await events(list({ reason })))).found, reason);
    const words = await wordsWhenBlind(await events(refused("no events for you")));
    assert.match(words, /cluster east could not be checked: .*0\/1 nodes.*403: no events for you/);
  });
  void test("says at the end why it could not look", async () => {
    const words = await wordsWhenBlind(await watched({ ...cluster(podWith([loop])), "/pods": refused("no pods") }));
    assert.match(words, /The pods of cluster east could not be checked: 403: no pods/);
    const lost = new PodWatch(() => Promise.reject(new Error("no kubeconfig")), new FaultFinder(patience), seconds);
    lost.see(begin("Deployment", "linkerd-destination"));
    assert.match(await wordsWhenBlind({ watch: lost }), /could not be checked: no kubeconfig/);
  });
  void test("leaves alone pods that belong to no workload in flight", async () => {
    const foreign = podWith([loop], { metadata: { ownerReferences: ownedBy("ReplicaSet", "foreign") } });
    assert.deepEqual(await lastWords(await watched(cluster(foreign))), { found: false, words: "" });
  });
  void test("asks nothing while nothing is in flight", async () => {
    const destination = ["Deployment", "linkerd-destination"] as const;
    const one = await watched(cluster(podWith([loop])), [begin(...destination), end(...destination)]);
    assert.deepEqual(await lastWords(one), { found: false, words: "" });
    assert.deepEqual(one.asked, []);
  });
  void test("ends at once when the update does", async () => {
    const { watch } = await watched(cluster(podWith([])));
    const running = watch.run();
    await sleep(200);
    const began = Date.now();
    watch.end();
    await running;
    assert.ok(Date.now() - began < 500);
  });
});

test("a local cluster's kubeconfig is found before the stack has outputs", async () => {
  const data = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-pods-"));
  const before = process.env.XDG_DATA_HOME;
  process.env.XDG_DATA_HOME = data;
  try {
    await assert.rejects(accessTo("rehearsal", "east"), /no such file/);
    const file = ownKubeconfig("rehearsal-east");
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, "a kubeconfig");
    assert.deepEqual(await accessTo("rehearsal", "east"), { kubeconfig: "a kubeconfig" });
  } finally {
    if (before === undefined) delete process.env.XDG_DATA_HOME;
    else process.env.XDG_DATA_HOME = before;
    fs.rmSync(data, { recursive: true });
  }
});

void describe("a program that is interrupted from here", () => {
  void test("ends in its own way", async () => {
    const stop = new AbortController();
    const script = "trap 'exit 7' INT; while :; do sleep 0.05; done";
    const ended = run("/bin/sh", ["-c", script], { interrupt: stop.signal });
    await sleep(500);
    stop.abort();
    assert.equal(await eventually(() => ended, 10), 7);
  });
});
