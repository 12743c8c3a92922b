import { Writable } from "node:stream";
import { client, extension, kubectl, named, reason, type ClusterClient } from "./api";
import { no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { metricsOf } from "./metrics";
import { controllerLogs, wholeFault } from "./mirror";
import { mirrorName } from "./mirroredServices";
import { isRunning } from "./pods";
import type { TestNamespace } from "./testNamespaces";
import { noTraffic } from "./simulated";
import { Interrupted, type Deadline } from "./watch";

/** Includes pulling the curl image and starting a meshed pod. */
const deadlineSeconds = 120;

/** curl ends by itself within the deadline. Its connection counts as dead after this much more time. */
const graceMs = 15_000;

/** Header of the proxy's own answer when it reaches nobody: linkerd2-proxy, app/core/src/errors/respond.rs. */
const proxyError = "l5d-proxy-error";

/** Above any exit code. */
const notRun = 256;

export interface Reply {
  /** curl's exit code. */
  code: number;
  /** Response headers and curl's own messages. */
  text: string;
}

/** Runs a command in a pod and returns its exit code and everything it wrote. */
async function execute(
  cluster: ClusterClient,
  namespace: string,
  pod: string,
  command: string[],
  deadline: Deadline,
): Promise<Reply> {
  const { Exec } = await client();
  const chunks: string[] = [];
  const sink = (): Writable =>
    new Writable({
      write(chunk: Buffer, _, done): void {
        chunks.push(chunk.toString());
        done();
      },
    });
  return new Promise((resolve, reject) => {
    const interrupt = (): void => reject(new Interrupted());
    const late = setTimeout(
      () => reject(new Error(`${command[0]} in ${pod} did not end in time`)),
      deadline.leftMs() + graceMs,
    );
    deadline.signal.addEventListener("abort", interrupt, { once: true });
    const finish = (code: number, words = ""): void => {
      clearTimeout(late);
      deadline.signal.removeEventListener("abort", interrupt);
      resolve({ code, text: chunks.join("") + words });
    };
    new Exec(cluster.kube)
      .exec(namespace, pod, "curl", command, sink(), sink(), null, false, (status) => {
        if (status.status === "Success") return finish(0);
        const cause = status.details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
        // Without an exit code the command never ran, and only the status says why.
        if (cause === undefined) finish(notRun, `\n${status.message ?? "no reason given"}`);
        else finish(Number(cause));
      })
      .then(
        // A connection that ends without a status: the pod is gone. The client's own type comes from `ws`, which is not
        // a dependency here.
        (socket: { on(event: "close", listener: () => void): unknown }) =>
          socket.on("close", () => finish(notRun, `\nthe connection to ${pod} ended without an answer`)),
        (error: unknown) => reject(new Error(`${pod} cannot be reached: ${reason(error)}`)),
      );
  });
}

/** Why the asked service did not answer, or undefined. */
export function replyFault(url: string, { code, text }: Reply): string | undefined {
  const header = text.split("\n").find((line) => line.toLowerCase().startsWith(`${proxyError}:`));
  if (header) return `${url}: the proxy answered for it: ${header.trim()}`;
  const status = /^HTTP\/\S+ (\d+)/m.exec(text)?.[1];
  const lastWords = text.trim().split("\n").at(-1) ?? "";
  if (code === notRun) return `${url}: curl gave no exit code: ${lastWords}`;
  if (code !== 0 || status === undefined) return `${url}: curl ended with ${code}: ${lastWords}`;
  return Number(status) < 500 ? undefined : `${url}: HTTP ${status}`;
}

async function prepare(context: LinkContext): Promise<{ testNamespace: TestNamespace; pod: string; fault?: string }> {
  const { deadline } = context;
  const testNamespace = await context.testNamespaces.of(context.link, deadline);
  const [pod, expected] = await Promise.all([testNamespace.curlPod(deadline), testNamespace.statefulSet(deadline)]);
  const unmirrored = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), expected), deadline);
  return { testNamespace, pod, fault: unmirrored && `there is nothing to ask: ${unmirrored}` };
}

/** Lets curl retry within the deadline: a new name takes a moment to reach the cluster's DNS. */
async function curl(
  testNamespace: TestNamespace,
  pod: string,
  url: string,
  deadline: Deadline,
): Promise<string | undefined> {
  const seconds = String(Math.max(1, Math.floor(deadline.leftMs() / 1000)));
  const retry = ["--retry", "20", "--retry-all-errors", "--retry-delay", "1", "--retry-max-time", seconds];
  const command = ["curl", "-sS", "-o", "/dev/null", "-D", "-", "--max-time", "10", ...retry, url];
  return replyFault(url, await execute(testNamespace.source, testNamespace.namespace, pod, command, deadline));
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
