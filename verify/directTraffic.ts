import { setTimeout as sleep } from "node:timers/promises";
import { found, kubectl, named, type ClusterClient, type Pod } from "./api";
import { no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { curl, execute } from "./curl";
import { noDirectTraffic } from "./directExports";
import { metricsOf, sumOf } from "./metrics";
import { exportLabel, federatedLabel, federatedName, mirrorName } from "./mirroredServices";
import type { TestNamespace } from "./testNamespaces";
import type { Deadline } from "./watch";

/** Includes pulling images, starting meshed pods, and the seconds without the target's pod. */
const deadlineSeconds = 180;

/** How long the federated service is asked without the target's pod. */
const awaySeconds = 5;

/** Between two requests meanwhile, seconds. */
const interval = 0.1;

const urlOf = ({ source, namespace }: TestNamespace, service: string): string =>
  `http://${service}.${namespace}.svc.${source.domain}`;

/** The requests that a pod's proxy let in to the web server. The proxy counts those for its own metrics too. */
async function requestsTo(
  cluster: ClusterClient,
  { namespace }: TestNamespace,
  name: string,
  deadline: Deadline,
  ...labels: string[]
): Promise<number> {
  const pod: Pod = await cluster.core.readNamespacedPod({ namespace, name });
  const metrics = await metricsOf(cluster, pod, "proxy", deadline);
  return sumOf(metrics, "inbound_http_authz_allow_total", 'target_port="80"', ...labels) ?? 0;
}

/** A flat mirror leads to the target's pods, which see the identity of the client itself. */
async function flatFault(testNamespace: TestNamespace, { deadline }: LinkContext): Promise<string | undefined> {
  const { source, target, namespace } = testNamespace;
  const [pod] = await Promise.all([
    testNamespace.curlPod(deadline),
    testNamespace.webServer(target, "flat", deadline),
    testNamespace.serve(target, "flat", "flat", { [exportLabel]: "remote-discovery" }),
  ]);
  const mirror = mirrorName("flat", target.name);
  const unmirrored = await testNamespace.mirror(mirror, deadline);
  const silent = unmirrored ?? (await curl(testNamespace, pod, urlOf(testNamespace, mirror), deadline));
  if (silent) return silent;
  const client = `default.${namespace}.serviceaccount.identity.linkerd.${source.domain}`;
  const seen = await requestsTo(target, testNamespace, "flat", deadline, `client_id="${client}"`);
  return seen > 0 ? undefined : `the server's proxy did not see the client's identity ${client}`;
}

/**
 * A federated service answers from the pods of both clusters, also while the target's pod is away.
 *
 * @returns the fault, or what was seen
 */
async function federated(
  testNamespace: TestNamespace,
  { deadline }: LinkContext,
): Promise<{ fault: string } | { seen: string }> {
  const { source, target, namespace } = testNamespace;
  const name = "member";
  const start = (cluster: ClusterClient) => testNamespace.webServer(cluster, name, deadline);
  const join = (cluster: ClusterClient) => testNamespace.serve(cluster, name, name, { [federatedLabel]: "member" });
  const service = federatedName(name);
  const [pod] = await Promise.all([testNamespace.curlPod(deadline), start(source), start(target), join(target)]);
  const unmade = await testNamespace.mirror(service, deadline);
  if (unmade) return { fault: unmade };
  // Not at the same moment: the mirrors of both services write the federated one, and one may undo the other's work. Seen
  // with edge-26.8.3: it then lacked the source's own pods.
  await join(source);
  const url = urlOf(testNamespace, service);
  const silent = await curl(testNamespace, pod, url, deadline);
  if (silent) return { fault: silent };
  const both = () => bothAnswer(testNamespace, pod, url, [source, target], deadline);
  const before = await both();
  if (before) return { fault: before };

  const asked = Math.round(awaySeconds / interval);
  const endPod = async () => {
    await sleep(1000, undefined, { signal: deadline.signal });
    await found(target.core.deleteNamespacedPod({ namespace, name }));
  };
  const [codes] = await Promise.all([statuses(testNamespace, pod, url, asked, deadline), endPod()]);
  const lost = codes.filter((code) => code !== "200").length;
  // The pod left the service seconds before.
  const late = codes.slice(asked / 2).filter((code) => code !== "200").length;
  if (late > 0) return { fault: `without ${target.name}'s pod ${late} of the last ${asked / 2} requests failed` };
  await testNamespace.gone(name, deadline);
  const began = Date.now();
  await start(target);
  const after = await both();
  if (after) return { fault: `after ${target.name}'s pod came back, ${after}` };
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  return {
    seen: `pods of both clusters answered; ${lost} of ${asked} requests were lost when ${target.name}'s pod ended, and a new one answered after ${seconds} s`,
  };
}

/** Longer than some requests in a row and the look at the proxies' counters. */
const roundMs = 20_000;

/** Why not each of these clusters' pods answered one of some requests, or undefined. */
async function bothAnswer(
  testNamespace: TestNamespace,
  pod: string,
  url: string,
  clusters: ClusterClient[],
  deadline: Deadline,
): Promise<string | undefined> {
  const counts = () => Promise.all(clusters.map((cluster) => requestsTo(cluster, testNamespace, "member", deadline)));
  const before = await counts();
  for (;;) {
    const codes = await statuses(testNamespace, pod, url, 20, deadline);
    const now = await counts();
    const silent = clusters.filter((_, i) => (now[i] ?? 0) <= (before[i] ?? 0)).map(({ name }) => name);
    if (silent.length === 0) return undefined;
    if (deadline.leftMs() < roundMs)
      return `no pod of ${silent.join(", ")} answered (HTTP ${[...new Set(codes)].join(", ")})`;
  }
}

/** The HTTP statuses of requests in a row, 000 where there was no answer. */
async function statuses(
  { source, namespace }: TestNamespace,
  pod: string,
  url: string,
  count: number,
  deadline: Deadline,
): Promise<string[]> {
  const script = `for i in $(seq ${count}); do curl -s -o /dev/null --max-time 2 -w '%{http_code}\\n' "$0"; sleep ${interval}; done`;
  const { text } = await execute(source, namespace, pod, ["sh", "-c", script, url], deadline);
  const codes = text.split("\n").filter((line) => /^\d{3}$/.test(line));
  if (codes.length === count) return codes;
  throw new Error(
    `pod ${namespace}/${pod} sent ${codes.length} of ${count} requests: ${text.trim().split("\n").at(-1)}`,
  );
}

const flat: LinkCheck = {
  id: "traffic.flat",
  group: "traffic",
  scope: "link",
  title: "Does a flat mirror answer, and see who asks?",
  deadlineSeconds,
  applies: noDirectTraffic,
  async run(context): Promise<Finding> {
    const testNamespace = await context.testNamespaces.of(context.link, context.deadline);
    const fault = await flatFault(testNamespace, context);
    const objects = objectsOf(testNamespace, mirrorName("flat", context.target.name), "flat");
    return fault
      ? no(fault, objects, destinationLogs(context))
      : yes("the server saw the client's own identity", objects);
  },
};

const federatedService: LinkCheck = {
  id: "traffic.federated",
  group: "traffic",
  scope: "link",
  title: "Does a federated service answer from both clusters, and without the target's pod?",
  deadlineSeconds,
  applies: noDirectTraffic,
  async run(context): Promise<Finding> {
    const testNamespace = await context.testNamespaces.of(context.link, context.deadline);
    const result = await federated(testNamespace, context);
    const objects = objectsOf(testNamespace, "member-federated", "member");
    return "fault" in result ? no(result.fault, objects, destinationLogs(context)) : yes(result.seen, objects);
  },
};

function objectsOf({ source, target, namespace }: TestNamespace, mirror: string, pod: string): string[] {
  return [
    named(source, "service", { metadata: { namespace, name: mirror } }),
    named(target, "pod", { metadata: { namespace, name: pod } }),
  ];
}

const destinationLogs = ({ source }: LinkContext): string =>
  kubectl(source, "-n linkerd logs deploy/linkerd-destination -c destination");

export const directTrafficChecks: LinkCheck[] = [flat, federatedService];
