import { painter, type Paint } from "../../lib/terminal";
import { UserError } from "../../lib/run";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import {
  client,
  connect,
  reason,
  statusOf,
  type LabelSelector,
  type Link,
  type Pod,
  type Service,
  type ClusterClient,
} from "../../verify/api";
import { goKeys, keyFault, rustKeys, webhookFaults } from "../../verify/certificates";
import { ask, type Asking } from "../../verify/ask";
import { checks } from "../../verify/allChecks";
import { always, type Check, type Result } from "../../verify/check";
import { withoutProxy } from "../../verify/damage";
import { controllerFaults, unavailability } from "../../verify/deployments";
import { fieldFaults } from "../../verify/fields";
import { GroupedReport } from "../../verify/groupedReport";
import { durationSeconds, gatewayFields, probeFields } from "../../verify/link";
import { judged, linkerdCheck, multiclusterCheck, settledLinkerdCheck } from "../../verify/linkerd";
import { gatewayAlive } from "../../verify/metrics";
import { anchorFault, whyNotRestarted } from "../../verify/podAnchors";
import { fetchFromPod, portNamed } from "../../verify/portForward";
import { group, junit, summary, table } from "../../verify/report";
import { matches, selectorFaults } from "../../verify/selectors";
import { parseStack, type Stack } from "../../verify/stack";
import { replyFault } from "../../verify/curl";
import { counted } from "../../verify/traffic";
import { TestNamespaces } from "../../verify/testNamespaces";
import { allOpen, Deadline, Interrupted, until } from "../../verify/watch";
import { eventually } from "../lib/eventually";
import { ForwardingServer } from "../lib/forwardingServer";
import { authority } from "../lib/mesh";

const url = "http://set-0.web-west.shop.svc.east.cluster.local";

test("a reply counts only if the service itself gave it", () => {
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
  const gone = { code: 256, text: "\ncontainer not found" };
  assert.match(replyFault(url, gone) ?? "", /curl gave no exit code: container not found/);
});

test("an error shows its own message, whoever threw it", async () => {
  const { ApiException } = await client();
  const refused = (code: number, body?: unknown) => new ApiException(code, "Unknown API Status Code!", body, {});
  assert.equal(reason(refused(403, '{"kind":"Status","message":"pods is forbidden"}')), "403: pods is forbidden");
  assert.equal(reason(refused(404, { message: "no such thing" })), "404: no such thing");
  assert.equal(reason(refused(502, "upstream is gone\nmore")), "502: upstream is gone");
  assert.equal(reason(refused(401)), "the API server answered 401 Unauthorized");
  assert.equal(statusOf(refused(409)), 409);
  assert.equal(reason(Object.assign(new Error("Gone"), { statusCode: 410 })), "the API server answered 410 Gone");

  // An exit code is not a status.
  const failed = await promisify(execFile)("sh", ["-c", "echo one >&2; echo two >&2; exit 4"]).catch((e: unknown) => e);
  assert.equal(statusOf(failed), undefined);
  assert.match(reason(failed), /^Command failed: sh .*: two$/);
  const several = new AggregateError([
    new Error("connect ECONNREFUSED ::1:1"),
    new Error("connect ECONNREFUSED 127.0.0.1:1"),
  ]);
  assert.equal(
    reason(new TypeError("fetch failed", { cause: several })),
    "fetch failed: connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1",
  );
  // The refusal of the client's web socket is not an Error.
  assert.equal(
    reason({ type: "error", message: "Unexpected server response: 403" }),
    "Unexpected server response: 403",
  );
  assert.equal(reason("a word"), "a word");
  assert.equal(reason(new RangeError("")), "RangeError");
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

test("the refusal of a stack that is not up says what that means, and the next command", () => {
  assert.equal(parseStack("dev", JSON.stringify(stack)).runtime, "k3d");
  const refusal = /^stack dev is not up: it was never brought up, .* or it was taken down\. Next: npm start -- dev$/;
  for (const incomplete of [{}, { ...stack, kubeconfigs: undefined }]) {
    assert.throws(
      () => parseStack("dev", JSON.stringify(incomplete)),
      (error: Error) => refusal.test(error.message),
    );
  }
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

const plain: Paint = (_, text) => text;

test("reports name the objects and the next command, and are well-formed", () => {
  for (const text of [table([failed], plain), junit("dev", [failed])]) {
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

test("the columns of a group are as wide as their content, and a no says what to do", () => {
  const good: Result = { ...failed, id: "mirror.delete", on: "a-long-name->west", answer: "yes", why: "gone" };
  const results = [failed, { ...good, seconds: 12.34, remark: "at the second try" }, skipped];
  assert.equal(
    group("mirror", results, plain),
    [
      "mirror",
      "------",
      '×  mirror.headless  east->west          1.5 s  clusterIP "10.0.0.1" <none>',
      "    looked at: east service a/web-west",
      "    next: kubectl logs",
      "    see docs/verify.md#mirrorheadless",
      "√  mirror.delete    a-long-name->west  12.3 s  gone",
      "    at the second try",
      "-  mirror.headless  east->west          1.5 s  simulated",
      "",
    ].join("\n"),
  );
});

test("marks have colours on a terminal only, and none with NO_COLOR", () => {
  const terminal = painter({ isTTY: true }, {});
  assert.deepEqual(
    [failed, { ...failed, answer: "yes" as const }, skipped].map((result) => table([result], terminal).split(" ")[0]),
    ["\u001b[31m×\u001b[0m", "\u001b[32m√\u001b[0m", "\u001b[33m-\u001b[0m"],
  );
  for (const none of [
    painter({ isTTY: false }, {}),
    painter({}, {}),
    painter({ isTTY: true }, { NO_COLOR: "1" }),
    painter({ isTTY: true }, { TERM: "dumb" }),
  ]) {
    assert.equal(none("red", "×"), "×");
  }
});

/** A report of one check in each of three groups, in two clusters with one link. */
function threeGroups(quiet: boolean) {
  const common = { title: "X?", deadlineSeconds: 1, applies: always, run: () => Promise.reject(new Error("not run")) };
  const known: Check[] = [
    { ...common, id: "health.a", group: "health", scope: "cluster" },
    { ...common, id: "damage.b", group: "damage", scope: "link" },
    { ...common, id: "traffic.c", group: "traffic", scope: "link" },
  ];
  const printed: string[] = [];
  const print = (text: string): void => void printed.push(text);
  const report = new GroupedReport({ checks: known, times: { cluster: 2, link: 1 }, quiet, paint: plain, print });
  const add = (place: number, on: string, answer: Result["answer"] = "yes"): void => {
    const { id, group } = known[place] as Check;
    report.add({ ...failed, id, group, on, answer });
  };
  return { report, add, headings: () => printed.map((text) => text.split("\n")[0]), printed };
}

test("a group is printed once it is complete and all groups before it are", () => {
  const { report, add, headings, printed } = threeGroups(false);
  add(1, "east->west");
  add(0, "west");
  assert.deepEqual(headings(), []);
  add(0, "east");
  assert.deepEqual(headings(), ["health", "damage"]);
  assert.match(printed[0] ?? "", /health\.a {2}east .*\n.*health\.a {2}west /);
  add(2, "east->west");
  assert.deepEqual(headings(), ["health", "damage", "traffic"]);
  report.end();
  assert.equal(printed.length, 3);
  assert.deepEqual(
    report.results().map(({ id, on }) => `${id} ${on}`),
    ["health.a east", "health.a west", "damage.b east->west", "traffic.c east->west"],
  );
});

test("an interrupted run prints the groups that it began", () => {
  const { report, add, headings } = threeGroups(false);
  add(0, "west");
  add(2, "east->west");
  assert.deepEqual(headings(), []);
  report.end();
  assert.deepEqual(headings(), ["health", "traffic"]);
});

test("a quiet report prints failures, and groups without one not at all", () => {
  const { report, add, headings, printed } = threeGroups(true);
  add(0, "west", "no");
  add(0, "east");
  add(1, "east->west");
  add(2, "east->west", "not applicable");
  report.end();
  assert.deepEqual(headings(), ["health"]);
  assert.deepEqual(printed.join("\n").match(/^[√×-] {2}\S+ +\S+/gm), ["×  health.a  west"]);
});

test("docs/verify.md has a section for each check, in the order of the report", async () => {
  const page = await readFile(join(__dirname, "../../docs/verify.md"), "utf8");
  const sections = page.split(/^### /m).slice(1);
  assert.deepEqual(
    sections.map((text) => text.split("\n").slice(0, 3).join("\n")),
    checks.map(({ id, title, scope, deadlineSeconds }) => `${id}\n\n${title} Per ${scope}, ${deadlineSeconds} s.`),
  );
  assert.deepEqual(
    [...page.matchAll(/^## (.*)$/gm)].map(([, name]) => name),
    [...new Set(checks.map(({ group }) => group))],
  );
  const anchors = new Set(checks.map(({ id, group }) => [group, id.replace(".", "")]).flat());
  for (const [link, anchor] of page.matchAll(/\]\(#(.*?)\)/g)) assert.ok(anchors.has(anchor ?? ""), link);
});

test("watching: missing objects are named at the deadline, and a signal ends it at once", async () => {
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

test("a broken view says why missing objects may exist after all", async () => {
  const view = { listen: () => () => undefined, failure: () => "the watch of /x is broken: 403: forbidden" };
  const never = new AbortController().signal;
  assert.equal(
    await until([view], () => "no mirror", new Deadline(0.01, never)),
    "no mirror (after 0.01 s); the watch of /x is broken: 403: forbidden",
  );
  let asked = 0;
  const failing = (): string => {
    if (asked++ > 0) throw new Error("a bug");
    return "missing";
  };
  await assert.rejects(until([view], failing, new Deadline(0.01, never)), /a bug/);
});

test("a Deployment is available with one wanted and ready replica, not with none", () => {
  const conditions = [{ type: "Available", status: "True" }];
  assert.equal(unavailability({ spec: specOf(1), status: { readyReplicas: 1, conditions } }), undefined);
  assert.equal(unavailability({ spec: specOf(undefined), status: { readyReplicas: 1, conditions } }), undefined);
  assert.equal(unavailability({ spec: specOf(0), status: { conditions } }), "is scaled to 0");
  assert.equal(unavailability({ spec: specOf(2), status: { conditions } }), "has 0 of 2 replicas ready");
  assert.equal(unavailability({ spec: specOf(2), status: { readyReplicas: 1 } }), "has 1 of 2 replicas ready");
});

function specOf(replicas: number | undefined, args?: string[]) {
  const containers = args ? [{ name: "controller", args }] : [];
  return { replicas, selector: {}, template: { spec: { containers } } };
}

test("a controller's arguments are read as Go reads flags", () => {
  const args = ["service-mirror", "-namespace=linkerd-multicluster", "--probe-service=probe-west"];
  const faults = (...more: string[]) => controllerFaults({ spec: specOf(1, [...args, ...more]) }, "west");
  assert.deepEqual(faults("-enable-headless-services", "west"), []);
  assert.deepEqual(faults("--enable-headless-services=true", "west"), []);
  assert.equal(faults("-enable-headless-services=false", "west").length, 1);
  assert.deepEqual(faults("-enable-headless-services", "north"), [
    `last argument, the Link's name, is "north", expected "west"`,
  ]);
});

test("a selector must choose its own label, and no other", () => {
  const exported = { matchLabels: { "mirror.linkerd.io/exported": "true" } };
  const discovery = { matchLabels: { "mirror.linkerd.io/exported": "remote-discovery" } };
  const federated = { matchLabels: { "mirror.linkerd.io/federated": "member" } };
  const with_ = (selector?: LabelSelector) =>
    selectorFaults({ selector, remoteDiscoverySelector: discovery, federatedServiceSelector: federated });
  const expression = (operator: string, ...values: string[]): LabelSelector => ({
    matchExpressions: [{ key: "mirror.linkerd.io/exported", operator, values }],
  });
  assert.deepEqual(with_(exported), []);
  assert.deepEqual(with_(expression("In", "true", "yes")), []);
  assert.match(with_(undefined).join(), /^selector is missing, which matches nothing: expected .*exported=true$/);
  assert.match(with_({ matchLabels: {} }).join(), /which matches nothing/);
  assert.match(
    with_({ matchLabels: { exported: "true" } }).join(),
    /expected to match mirror.linkerd.io\/exported=true/,
  );
  assert.match(
    with_(expression("Exists")).join(),
    /also matches services with mirror.linkerd.io\/exported=remote-discovery/,
  );
  assert.match(
    with_(expression("NotIn", "remote-discovery")).join(),
    /also matches services with mirror.linkerd.io\/federated=member/,
  );
  assert.equal(matches(expression("DoesNotExist"), {}), true);
  assert.equal(matches(expression("Gt", "1"), { "mirror.linkerd.io/exported": "2" }), false);
});

test("durations are read as Go reads them", () => {
  assert.deepEqual(["3s", "1m30s", "1.5h", "250ms"].map(durationSeconds), [3, 90, 5400, 0.25]);
  assert.deepEqual(["3", "", "s", "3 s", undefined].map(durationSeconds), Array(5).fill(undefined));
});

test("the fields of a Link are compared with the target's gateway", () => {
  const ports = [
    { name: "mc-gateway", port: 4143, nodePort: 30143 },
    { name: "mc-probe", port: 4191, nodePort: 30191 },
  ];
  const annotations = { "mirror.linkerd.io/probe-path": "/ready", "mirror.linkerd.io/probe-period": "90" };
  const service = (type: string): Service => ({ metadata: { annotations }, spec: { type, ports } });
  const probe = { metadata: { name: "probe-west" }, spec: { ports: [{ port: 4191 }] } };
  const link = (spec: Link["spec"]): Link => ({ metadata: { name: "west", namespace: "x" }, spec });
  const probeSpec = { path: "/ready", port: "4191", period: "1m30s" };
  const probed = (spec: Link["spec"]["probeSpec"], of = service("LoadBalancer")) =>
    fieldFaults(probeFields(link({ probeSpec: spec }), of, probe));
  assert.deepEqual(probed(probeSpec), []);
  assert.deepEqual(probed({ ...probeSpec, period: "3s", timeout: "30s", failureThreshold: "3" }), [
    'probeSpec.period is "3s", expected "90s"',
  ]);
  assert.match(probed(undefined).join(), /probeSpec.path is missing/);
  assert.match(probed(probeSpec, { spec: {} }).join(), /port mc-probe of the gateway's Service is missing/);
  const ends = { target: { domain: "west.example", gateway: "gw" } } as Parameters<typeof gatewayFields>[1];
  const gatewayIdentity = "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.west.example";
  const right = { gatewayAddress: "gw", gatewayPort: "4143", gatewayIdentity };
  assert.deepEqual(fieldFaults(gatewayFields(link(right), ends, service("LoadBalancer"))), []);
  assert.deepEqual(fieldFaults(gatewayFields(link(right), ends, service("NodePort"))), [
    'gatewayPort is "4143", expected "30143"',
  ]);
  assert.equal(fieldFaults(gatewayFields(link({}), ends, service("LoadBalancer"))).length, 3);
});

test("a webhook's key must be of a kind that its program reads, and belong to the certificate", async () => {
  const { pem, key } = await authority("linkerd-sp-validator.linkerd.svc");
  const certificate = new X509Certificate(pem);
  const sec1 = createPrivateKey(key).export({ type: "sec1", format: "pem" }).toString();
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const pkcs1 = rsa.export({ type: "pkcs1", format: "pem" }).toString();
  assert.equal(keyFault("tls.key", key, certificate), undefined);
  assert.equal(keyFault("tls.key", key, certificate, rustKeys), undefined);
  assert.equal(keyFault("tls.key", sec1, certificate, goKeys), undefined);
  assert.match(
    keyFault("tls.key", sec1, certificate, rustKeys) ?? "",
    /is BEGIN EC PRIVATE KEY, expected BEGIN PRIVATE/,
  );
  assert.equal(keyFault("tls.key", pkcs1, certificate, rustKeys), "tls.key is not the key of the certificate");
  assert.match(keyFault("tls.key", undefined, certificate) ?? "", /^tls.key is missing/);
  assert.match(keyFault("tls.key", "no key", certificate) ?? "", /^tls.key is not a PEM block/);
  const broken = key.replace(/\n.*?\n/, "\nAAAA\n");
  assert.match(keyFault("tls.key", broken, certificate) ?? "", /^tls.key cannot be read: \S/);

  const files = { caBundles: [pem], certificate: pem, key, host: "linkerd-sp-validator.linkerd.svc", readable: goKeys };
  assert.deepEqual(webhookFaults(files), []);
  assert.match(webhookFaults({ ...files, caBundles: [pem, undefined] }).join(), /^caBundle has no certificate/);
  assert.match(webhookFaults({ ...files, host: "other.linkerd.svc" }).join(), /expected DNS:other.linkerd.svc/);
  assert.match(webhookFaults({ ...files, certificate: undefined }).join(), /^tls.crt is missing/);
});

test("a pod's anchors are those that the injector gave it, or those of the ConfigMap at its start", async () => {
  const [old, now] = await Promise.all([authority("old"), authority("now")]);
  const pod = (env: { value?: string; valueFrom?: object }, annotations?: Record<string, string>): Pod => {
    const variable = { name: "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", ...env } as { name: string };
    return {
      metadata: { annotations },
      spec: { containers: [], initContainers: [{ name: "linkerd-proxy", env: [variable] }] },
    };
  };
  assert.equal(anchorFault(pod({ value: `${now.pem}\n\n` }), now.pem), undefined);
  assert.equal(anchorFault({ spec: { containers: [{ name: "app" }] } }, now.pem), undefined);
  assert.match(anchorFault(pod({ value: old.pem }), now.pem) ?? "", /^trusts none of the present anchors/);
  assert.match(anchorFault(pod({ value: old.pem }), old.pem + now.pem) ?? "", /^trusts only 1 of the 2 present/);
  assert.match(
    anchorFault(pod({ value: old.pem + now.pem }), now.pem) ?? "",
    /^also trusts an anchor that was dropped/,
  );
  const reference = { valueFrom: { configMapKeyRef: { key: "ca-bundle.crt" } } };
  const hash = (text: string) => ({
    "linkerd.io/trust-root-sha256": createHash("sha256").update(text).digest("hex"),
  });
  assert.equal(anchorFault(pod(reference, hash(now.pem)), now.pem), undefined);
  assert.equal(anchorFault(pod(reference, hash(now.pem)), now.pem.trim()), undefined);
  assert.match(anchorFault(pod(reference, hash(old.pem)), now.pem) ?? "", /^started with other anchors/);
});

test("the reason why nobody restarts a pod depends on what made it", () => {
  const why = (kind: string, more: object = {}, name = "set-1") =>
    whyNotRestarted({ metadata: { name } }, { kind, name: "it", ...more });
  const parted = { updateStrategy: { rollingUpdate: { partition: 2 } } };
  assert.equal(whyNotRestarted({}, undefined), "a bare pod, which nothing restarts");
  assert.match(why("StatefulSet", parted), /^StatefulSet it has partition 2/);
  assert.match(why("StatefulSet", parted, "set-2"), /^StatefulSet it has not restarted it/);
  assert.match(why("DaemonSet", { updateStrategy: { type: "OnDelete" } }), /^DaemonSet it has updateStrategy OnDelete/);
  assert.match(why("Job"), /^Job it runs to its end/);
  assert.match(why("ReplicaSet"), /^ReplicaSet it never replaces running pods/);
  assert.match(why("Deployment", { paused: true }), /^Deployment it is paused/);
});

test("a container's port is found by the end of its name", () => {
  const containers = [{ name: "controller", ports: [{ name: "ctrl-admin", containerPort: 9999 }] }];
  const initContainers = [{ name: "linkerd-proxy", ports: [{ name: "linkerd-admin", containerPort: 4191 }] }];
  const pod = { spec: { containers, initContainers } };
  assert.equal(portNamed(pod, "controller", "-admin"), 9999);
  assert.equal(portNamed(pod, "linkerd-proxy", "linkerd-admin"), 4191);
  assert.equal(portNamed(pod, "nobody", "-admin"), undefined);
});

test("a pod's port is read through a port-forward within the deadline, and errors are reported", async () => {
  const body = "x".repeat(500_000);
  const admin = createServer(({ url }, response) => response.writeHead(url === "/metrics" ? 200 : 403).end(body));
  await new Promise<void>((resolve) => admin.listen(0, "127.0.0.1", resolve));
  const server = await ForwardingServer.start("gateway", {
    4191: { to: (admin.address() as AddressInfo).port },
    1: { error: "failed to connect to localhost:1: connection refused" },
    2: "silent",
    3: "closes",
  });
  const facts = { context: "pods", domain: "x", gateway: "x", apiServer: "x" };
  const cluster = await connect("pods", facts, server.kubeconfig());
  const stop = new AbortController();
  const get = (port: number, { name = "gateway", path = "/metrics", seconds = 30 } = {}) =>
    fetchFromPod(cluster, { namespace: "mc", name }, port, path, new Deadline(seconds, stop.signal));
  const failing = (answer: Promise<string>, words: RegExp) =>
    assert.rejects(answer, (error) => {
      assert.match(reason(error), words);
      return true;
    });
  try {
    const answers = await Promise.all([get(4191), get(4191), get(4191)]);
    assert.ok(answers.every((answer) => answer === body));
    await Promise.all([
      failing(get(4191, { path: "/proxy" }), /^port 4191 of pod mc\/gateway: it answered 403: x/),
      failing(get(1), /^port 1 of pod mc\/gateway: failed to connect to localhost:1: connection refused$/),
      failing(get(2, { seconds: 0.2 }), /^port 2 of pod mc\/gateway did not answer within 0\.2 s$/),
      failing(get(3), /^port 3 of pod mc\/gateway: \S/),
      failing(get(4191, { name: "nobody" }), /^port 4191 of pod mc\/nobody: the pod cannot be reached: .*404/),
    ]);
    const interrupted = assert.rejects(get(2), Interrupted);
    setTimeout(() => stop.abort(), 50);
    await interrupted;
    await eventually(() => assert.equal(server.open, 0), 10);
  } finally {
    server.stop();
    admin.close();
  }
});

const told = (...checks: object[]) => JSON.stringify({ categories: [{ categoryName: "some", checks }] }, undefined, 2);
const dialled = { description: "clusters share trust anchors", result: "error", error: "Problematic:\n    * west" };

test("linkerd check: errors fail, warnings do not, and checks that need pods are not judged", () => {
  const fine = { description: "pods are ready", result: "success" };
  const stale = { description: "cli is up-to-date", result: "warning", error: "is running 1" };
  const down = { description: "pods are ready", result: "error", error: "none is" };
  assert.deepEqual(judged(told(fine, stale), false), {
    failures: [],
    leftOut: [],
    warnings: ["some: cli is up-to-date: is running 1"],
  });
  const both = `${told(fine)}\n${told(down, dialled)}\n`;
  const shared = "some: clusters share trust anchors: Problematic:, * west";
  assert.deepEqual(judged(both, false).failures, ["some: pods are ready: none is", shared]);
  assert.deepEqual(judged(both, true).leftOut, [shared]);
  assert.throws(() => judged("Usage: linkerd", false), /wrote no JSON: Usage: linkerd/);
  assert.throws(() => judged("", false), /wrote nothing/);
});

/** Runs with a program called `linkerd` on PATH, followed only by the shell's own folders. */
async function withLinkerd(script: string, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "verify-linkerd-"));
  const path = process.env["PATH"];
  try {
    await writeFile(join(folder, "linkerd"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env["PATH"] = `${folder}${delimiter}${path ?? ""}`;
    await use(folder);
  } finally {
    process.env["PATH"] = path;
    await rm(folder, { recursive: true, force: true });
  }
}

test("linkerd check is asked again while a new mirror is empty", async () => {
  const within = (seconds: number) => new Deadline(seconds, new AbortController().signal);
  const empty = told({ description: "all mirror services have endpoints", result: "error", error: "web-west" });
  await withLinkerd(
    `test -e "$0.asked" || { : > "$0.asked"; printf '%s' '${empty}'; exit 1; }; printf '%s' '${told()}'`,
    async () => {
      assert.deepEqual((await settledLinkerdCheck("{}", within(60), false))?.failures, []);
    },
  );
  await withLinkerd(`printf '%s' '${empty}'; exit 1`, async () => {
    assert.equal((await settledLinkerdCheck("{}", within(41), false))?.failures.length, 1);
  });
});

test("linkerd check gets whole seconds, and its errors are reported unchanged", async () => {
  const within = (seconds: number) => new Deadline(seconds, new AbortController().signal);
  await withLinkerd(`echo "$*" > "$0.args"; printf '%s' '${told()}'`, async (folder) => {
    assert.deepEqual(await linkerdCheck("{}", within(60.7), false), { failures: [], leftOut: [], warnings: [] });
    assert.match(
      await readFile(join(folder, "linkerd.args"), "utf8"),
      /^check --output json --kubeconfig \S+ --wait 20s$/m,
    );
  });
  await withLinkerd(`printf '%s' '${told(dialled)}'; exit 1`, async () => {
    assert.deepEqual((await linkerdCheck("{}", within(60), true))?.failures, []);
    assert.equal((await linkerdCheck("{}", within(60), false))?.failures.length, 1);
  });
  await withLinkerd(`printf '%s' '${told()}'; echo 'Failed to run extensions checks' >&2; exit 1`, async () => {
    assert.match((await linkerdCheck("{}", within(60), true))?.failures.join() ?? "", /: Failed to run extensions/);
  });
  const failing = (script: string, seconds: number, words: RegExp) =>
    withLinkerd(script, () =>
      assert.rejects(linkerdCheck("{}", within(seconds), false), (error) => {
        assert.match(reason(error), words);
        return true;
      }),
    );
  await failing("echo 'unknown flag: --wait' >&2; exit 1", 60, /^Command failed: linkerd .*: unknown flag: --wait$/);
  await failing("exec sleep 60", 0.3, /^`linkerd check` did not end within 0\.3 s$/);
  const { PATH: path } = process.env;
  process.env["PATH"] = "/nowhere";
  try {
    assert.equal(await linkerdCheck("{}", within(60), false), undefined);
  } finally {
    process.env["PATH"] = path;
  }
});

/** Stands in for Docker: writes down its arguments and input. It does not prove that a container runs. */
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
    await assert.rejects(multiclusterCheck({ ...stack, runtime: "kwok" }), UserError);
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await rm(folder, { recursive: true, force: true });
  }
});

test("if one of several views cannot be opened, the others are closed, also those that open later", async () => {
  const closed: string[] = [];
  const view = (name: string) => ({ close: () => Promise.resolve(void closed.push(name)) });
  const later = new Promise<ReturnType<typeof view>>((resolve) => setTimeout(() => resolve(view("later")), 10));
  await assert.rejects(allOpen([Promise.resolve(view("first")), Promise.reject(new Error("404")), later]), /404/);
  assert.deepEqual(closed, ["first", "later"]);
});

test("a check that a cluster does not answer says no; a fault of a check itself is thrown", async () => {
  const cluster = { name: "east", context: "k3d-east" } as ClusterClient;
  const asking = (signal: AbortSignal): Asking => ({
    ...{ stack: { ...stack, links: [] }, clusters: { east: cluster }, external: new Set<never>() },
    ...{ testNamespaces: new TestNamespaces([]), signal, tell: () => undefined },
  });
  const failing = (error: Error): Check => ({
    ...{ id: "health.x", group: "health", title: "X?", scope: "cluster", deadlineSeconds: 1, applies: always },
    run: () => Promise.reject(error),
  });
  const { signal } = new AbortController();
  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const [asked] = await ask([failing(refused)], asking(signal));
  assert.equal(asked?.result.answer, "no");
  assert.match(asked.result.why, /could not be asked: connect ECONNREFUSED/);
  await assert.rejects(ask([failing(new TypeError("x is undefined"))], asking(signal)), TypeError);
});
