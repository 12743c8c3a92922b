import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import type { Pod } from "../../verify/api";
import type { Result } from "../../verify/check";
import { withoutProxy } from "../../verify/damage";
import { gatewayAlive } from "../../verify/health";
import { multiclusterCheck } from "../../verify/linkerd";
import { junit, row, summary } from "../../verify/report";
import { parseStack, UsageError, type Stack } from "../../verify/stack";
import { counted, replyFault } from "../../verify/traffic";
import { allOpen, Deadline, Interrupted, until } from "../../verify/watch";

const url = "http://set-0.web-west.shop.svc.east.cluster.local";

test("a reply counts only when the service itself gave it", () => {
  assert.equal(replyFault(url, { code: 0, text: "HTTP/1.1 200 OK\r\nserver: nginx\r\n" }), undefined);
  assert.equal(replyFault(url, { code: 0, text: "HTTP/1.1 404 Not Found\r\n" }), undefined);
  assert.match(replyFault(url, { code: 0, text: "HTTP/1.1 502 Bad Gateway\r\n" }) ?? "", /HTTP 502/);
  const proxy = "HTTP/1.1 504 Gateway Timeout\r\nl5d-proxy-error: unexpected error\r\n";
  assert.match(
    replyFault(url, { code: 0, text: proxy }) ?? "",
    /the proxy answered for it: l5d-proxy-error: unexpected/,
  );
  const unresolved = { code: 6, text: "curl: (6) Could not resolve host: set-0.web-west\n" };
  assert.match(replyFault(url, unresolved) ?? "", /curl ended with 6: .*Could not resolve host/);
  assert.match(replyFault(url, { code: 0, text: "" }) ?? "", /curl ended with 0/);
});

test("only counters that name the namespace are added up", () => {
  const metrics = [
    "# TYPE request_total counter",
    'request_total{direction="outbound",dst_namespace="mesh-verify-ab-0"} 3',
    'request_total{direction="outbound",dst_namespace="default"} 40',
    'response_total{authority="web.mesh-verify-ab-0.svc.west.cluster.local:80"} 2',
    'response_latency_ms_count{dst_namespace="mesh-verify-ab-0"} 100',
    "process_start_time_seconds 1",
  ].join("\n");
  assert.equal(counted(metrics, "mesh-verify-ab-0"), 5);
  assert.equal(counted(metrics, "mesh-verify-cd-0"), 0);
});

test("the probe's gauge is read for its own link, and is unknown without one", () => {
  const metrics = 'gateway_alive{target_cluster_name="west"} 1\ngateway_alive{target_cluster_name="north"} 0\n';
  assert.equal(gatewayAlive(metrics, "west"), true);
  assert.equal(gatewayAlive(metrics, "north"), false);
  assert.equal(gatewayAlive(metrics, "south"), undefined);
});

test("a pod lacks its proxy only if it was to have one", () => {
  const pod = (name: string, more: Pod = {}): Pod => ({
    ...more,
    metadata: { name, namespace: "shop", ...more.metadata },
    spec: { containers: [{ name: "app" }], ...more.spec },
  });
  const annotated = (inject: string): Pod => ({ metadata: { annotations: { "linkerd.io/inject": inject } } });
  const pods = [
    pod("bare"),
    pod("ingress", annotated("ingress")),
    pod("disabled", annotated("disabled")),
    pod("host", { spec: { containers: [], hostNetwork: true } }),
    pod("job", { status: { phase: "Succeeded" } }),
    pod("going", { metadata: { deletionTimestamp: new Date() } }),
    pod("sidecar", { spec: { containers: [{ name: "app" }, { name: "linkerd-proxy" }] } }),
    pod("native", { spec: { containers: [{ name: "app" }], initContainers: [{ name: "linkerd-proxy" }] } }),
    pod("elsewhere", { metadata: { namespace: "plain" } }),
  ];
  const inject = new Map([
    ["shop", "enabled"],
    ["plain", undefined],
  ]);
  assert.deepEqual(
    withoutProxy(pods, inject).map(({ metadata }) => metadata?.name),
    ["bare", "ingress"],
  );
});

const stack: Stack = {
  name: "dev",
  runtime: "k3d",
  clusters: {
    east: {
      context: "k3d-east",
      domain: "east.cluster.local",
      gateway: "g",
      apiServer: "https://k3d-east-serverlb:6443",
    },
  },
  links: [],
  kubeconfigs: {
    east: JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "k3d-east", cluster: { server: "https://0.0.0.0:6440" } }],
      users: [{ name: "admin", user: { token: "secret-token" } }],
      contexts: [{ name: "k3d-east", context: { cluster: "k3d-east", user: "admin" } }],
      "current-context": "k3d-east",
    }),
  },
};

test("a stack that is not up, or not this program's, is refused by what it lacks", () => {
  assert.equal(parseStack("dev", JSON.stringify(stack)).runtime, "k3d");
  assert.throws(
    () => parseStack("dev", "{}"),
    /output runtime, clusters, links, kubeconfigs missing.*\nNext: npm start -- dev/,
  );
  assert.throws(() => parseStack("dev", "error: no stack"), /are not JSON/);
  const dangling = { ...stack, links: [{ source: "east", target: "west" }] };
  assert.throws(() => parseStack("dev", JSON.stringify(dangling)), /link east->west names cluster west/);
});

const failed: Result = {
  id: "mirror.headless",
  group: "mirror",
  title: "Is it headless?",
  on: "east->west",
  answer: "no",
  why: 'clusterIP "10.0.0.1" <none>',
  seconds: 1.5,
  objects: ["east service a/web-west"],
  next: "kubectl logs",
};
const skipped: Result = { ...failed, answer: "not applicable", why: "simulated", next: undefined };

test("reports name the objects and the next command, and are well-formed", () => {
  for (const text of [row(failed), junit("dev", [failed])]) {
    assert.match(text, /looked at: east service a\/web-west/);
    assert.match(text, /next: kubectl logs/);
  }
  const xml = junit("dev", [failed, skipped]);
  assert.match(xml, /<testsuite name="dev mirror" tests="2" failures="1" skipped="1">/);
  assert.match(xml, /message="clusterIP &quot;10.0.0.1&quot; &lt;none&gt;"/);
  assert.match(
    summary([failed, skipped], 2),
    /0 yes, 1 no, 1 not applicable, in 2\.0 s\nnot applicable: simulated\nnext: kubectl logs/,
  );
});

test("watching: what was missing at the deadline is told, a signal lets go at once", async () => {
  const stop = new AbortController();
  const listeners = new Set<() => void>();
  const view = {
    listen(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  let mirrors = 0;
  const missing = (): string | undefined => (mirrors === 2 ? undefined : `${mirrors} of 2`);
  assert.match((await until([view], missing, new Deadline(0.01, stop.signal))) ?? "", /^0 of 2 \(after 0\.01 s\)$/);
  const waiting = until([view], missing, new Deadline(60, stop.signal));
  mirrors = 2;
  for (const listener of listeners) listener();
  assert.equal(await waiting, undefined);
  mirrors = 1;
  const interrupted = until([view], missing, new Deadline(60, stop.signal));
  stop.abort();
  await assert.rejects(interrupted, Interrupted);
  assert.equal(listeners.size, 0);
});

/** Stands in for Docker: writes down how it was called and what it was given. That a container runs is not shown here. */
const docker = `#!/bin/sh
echo "$*" >> "$CALLS"
case "$1" in
  inspect) echo "rancher/k3s:v1 multicluster-example " ;;
  create) echo container ;;
  cp) [ "$3" = container:/kubeconfig ] && cat "$2" >> "$CALLS"; true ;;
  start) exit 3 ;;
esac
`;

test("--linkerd: a container on the clusters' network, gone afterwards, its exit code passed on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "verify-docker-"));
  const before = { PATH: process.env["PATH"], LINKERD: process.env["LINKERD"], CALLS: process.env["CALLS"] };
  try {
    await writeFile(join(folder, "docker"), docker);
    await chmod(join(folder, "docker"), 0o755);
    const calls = join(folder, "calls");
    const path = `${folder}${delimiter}${before.PATH ?? ""}`;
    Object.assign(process.env, { PATH: path, LINKERD: "/opt/linkerd", CALLS: calls });
    assert.equal(await multiclusterCheck(stack), 3);
    const text = await readFile(calls, "utf8");
    assert.match(
      text,
      /create --network multicluster-example --entrypoint \/linkerd rancher\/k3s:v1 multicluster check/,
    );
    assert.match(text, /cp --follow-link \/opt\/linkerd container:\/linkerd/);
    assert.match(text, /https:\/\/k3d-east-serverlb:6443/);
    assert.match(text, /rm --force container\n$/);
    await assert.rejects(multiclusterCheck({ ...stack, runtime: "kwok" }), UsageError);
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await rm(folder, { recursive: true, force: true });
  }
});

test("where one of several views cannot be opened the others are closed, also those that open later", async () => {
  const closed: string[] = [];
  const view = (name: string) => ({ close: () => Promise.resolve(void closed.push(name)) });
  const later = new Promise<ReturnType<typeof view>>((resolve) => setTimeout(() => resolve(view("later")), 10));
  await assert.rejects(allOpen([Promise.resolve(view("first")), Promise.reject(new Error("404")), later]), /404/);
  assert.deepEqual(closed, ["first", "later"]);
});
