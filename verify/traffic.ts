import { extension, kubectl, named, type ClusterClient } from "./api";
import { no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { curl } from "./curl";
import { metricsOf } from "./metrics";
import { controllerLogs, wholeFault } from "./mirror";
import { mirrorName } from "./mirroredServices";
import { isRunning } from "./pods";
import type { TestNamespace } from "./testNamespaces";
import { noTraffic } from "./simulated";
import type { Deadline } from "./watch";

/** Includes pulling the curl image and starting a meshed pod. */
const deadlineSeconds = 120;

async function prepare(context: LinkContext): Promise<{ testNamespace: TestNamespace; pod: string; fault?: string }> {
  const { deadline } = context;
  const testNamespace = await context.testNamespaces.of(context.link, deadline);
  const [pod, expected] = await Promise.all([testNamespace.curlPod(deadline), testNamespace.statefulSet(deadline)]);
  const unmirrored = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), expected), deadline);
  return { testNamespace, pod, fault: unmirrored && `there is nothing to ask: ${unmirrored}` };
}

const url = ({ source, target, namespace }: TestNamespace, host: string): string =>
  `http://${host}${mirrorName("web", target.name)}.${namespace}.svc.${source.domain}`;

async function instances(
  testNamespace: TestNamespace,
  pod: string,
  { deadline }: LinkContext,
): Promise<string | undefined> {
  for (const instance of testNamespace.expected().pods) {
    const fault = await curl(testNamespace, pod, url(testNamespace, `${instance}.`), deadline);
    if (fault) return fault;
  }
  return undefined;
}

const headless = (testNamespace: TestNamespace, pod: string, { deadline }: LinkContext): Promise<string | undefined> =>
  curl(testNamespace, pod, url(testNamespace, ""), deadline);

async function gateway(
  testNamespace: TestNamespace,
  pod: string,
  { deadline, target }: LinkContext,
): Promise<string | undefined> {
  const before = await routed(target, testNamespace.namespace, deadline);
  const fault = await curl(testNamespace, pod, url(testNamespace, `${testNamespace.expected().pods[0]}.`), deadline);
  if (fault) return fault;
  const after = await routed(target, testNamespace.namespace, deadline);
  return after > before
    ? undefined
    : `its counters for namespace ${testNamespace.namespace} stayed at ${before} though the request was answered`;
}

/** Sums the counters for this namespace over the proxies of the gateway's pods. Nobody else sends requests there. */
async function routed(target: ClusterClient, namespace: string, deadline: Deadline): Promise<number> {
  const { items } = await target.core.listNamespacedPod({ namespace: extension, labelSelector: "app=linkerd-gateway" });
  const sums = await Promise.all(
    items.filter(isRunning).map(async (pod) => counted(await metricsOf(target, pod, "proxy", deadline), namespace)),
  );
  return sums.reduce((sum, value) => sum + value, 0);
}

/** Adds up the counters (`..._total`) whose labels name this namespace, as `dst_namespace` or in `authority`. */
export function counted(metrics: string, namespace: string): number {
  return metrics
    .split("\n")
    .map((line) => /^\w+_total\{(.*)\} ([\d.eE+]+)$/.exec(line))
    .filter((match) => match?.[1]?.includes(namespace))
    .reduce((sum, match) => sum + Number(match?.[2]), 0);
}

interface Question {
  id: string;
  title: string;
  yes: string;
  ask(testNamespace: TestNamespace, pod: string, context: LinkContext): Promise<string | undefined>;
}

const questions: Question[] = [
  {
    id: "traffic.instances",
    title: "Does each instance answer to its name?",
    yes: "every instance answered",
    ask: instances,
  },
  { id: "traffic.headless", title: "Does the headless service answer?", yes: "it answered", ask: headless },
  {
    id: "traffic.gateway",
    title: "Does the target's gateway show the request?",
    yes: "the gateway's proxy counted it",
    ask: gateway,
  },
];

/** Group 2 of "How to test" in the demo: https://github.com/linkerd/l2d-k3d-statefulset#how-to-test */
export const trafficChecks: LinkCheck[] = questions.map((question) => ({
  id: question.id,
  group: "traffic",
  scope: "link",
  title: question.title,
  deadlineSeconds,
  applies: noTraffic,
  async run(context): Promise<Finding> {
    const { source, target } = context;
    const { testNamespace, pod, fault: unprepared } = await prepare(context);
    const fault = unprepared ?? (await question.ask(testNamespace, pod, context));
    const objects = [
      named(source, "pod", { metadata: { namespace: testNamespace.namespace, name: pod } }),
      named(source, "service", {
        metadata: { namespace: testNamespace.namespace, name: mirrorName("web", target.name) },
      }),
      named(target, "deployment", { metadata: { namespace: extension, name: "linkerd-gateway" } }),
    ];
    const remark = testNamespace.remark();
    if (fault === undefined) return yes(question.yes, objects, remark);
    const next = unprepared
      ? controllerLogs(context)
      : kubectl(target, `-n ${extension} logs deploy/linkerd-gateway -c linkerd-proxy`);
    return no(fault, objects, next);
  },
}));
