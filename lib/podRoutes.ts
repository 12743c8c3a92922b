import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { CoreV1Api, V1Pod } from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { curlImageOf } from "./images";

/** A way from the pods of one node of the source to those of one node of the target. */
export interface PodRoute {
  /** A node of the source. */
  from: string;
  /** A node of the target. */
  to: string;
  /** The pods that were asked there, by their addresses. Example: `["10.64.128.7"]` */
  pods: string[];
}

export interface Measured {
  answered: PodRoute[];
  missing: PodRoute[];
  /** Nodes of the source that could not ask, and why. */
  unasked: string[];
  /** Nodes of the target without a meshed pod that is ready. */
  silent: string[];
}

/** How long measuring may take. */
export interface Patience {
  leftMs(): number;
  /** Stops it. The pods are deleted all the same. */
  signal: AbortSignal;
}

/** Pods asked per node: one alone may be ending. */
const perNode = 3;

/**
 * Tries all ways of a request from each node of one cluster to the pods of each node of another. On each node of the
 * source it runs a pod without a proxy, which asks meshed pods of the target whether their proxy is ready. Another answer
 * does not count: a proxy on the way to the internet may answer for addresses that it does not know.
 *
 * @param namespace of the source, where the pods run for a moment
 * @example (await measureRoutes(east.core, west.core, "linkerd-multicluster", deadline)).missing // [] if pods reach each other
 */
export async function measureRoutes(
  source: CoreV1Api,
  target: CoreV1Api,
  namespace: string,
  patience: Patience,
): Promise<Measured> {
  const [{ items: sources }, { items: targets }, { items: pods }, image] = await Promise.all([
    source.listNode(),
    target.listNode(),
    target.listPodForAllNamespaces({ fieldSelector: "status.phase=Running" }),
    curlImageOf(source),
  ]);
  const nodes = targets.map(({ metadata }) => {
    const name = metadata?.name ?? "";
    return { name, asked: pods.filter((pod) => pod.spec?.nodeName === name && canAnswer(pod)).slice(0, perNode) };
  });
  const asked = nodes.flatMap((node) => node.asked);
  const measured: Measured = {
    answered: [],
    missing: [],
    unasked: [],
    silent: nodes
      .filter((node) => node.asked.length === 0)
      .map(({ name }) => `node ${name} of the target has no meshed pod that is ready`),
  };
  if (asked.length === 0) return measured;
  await Promise.all(
    sources.map(async ({ metadata }) => {
      const from = metadata?.name ?? "";
      const reached = await askFrom(source, { namespace, node: from, asked, image, patience });
      if (typeof reached === "string")
        return measured.unasked.push(`node ${from} of the source cannot ask: ${reached}`);
      for (const node of nodes.filter((one) => one.asked.length > 0)) {
        const route = { from, to: node.name, pods: node.asked.map(({ status }) => status?.podIP ?? "") };
        measured[node.asked.some((pod) => reached.has(hostOf(pod))) ? "answered" : "missing"].push(route);
      }
      return undefined;
    }),
  );
  return measured;
}

/** Whether a pod has a proxy and an address of its own, and is ready. */
function canAnswer(pod: V1Pod): boolean {
  const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
  return (ready ?? false) && adminPort(pod) !== undefined && !pod.metadata?.deletionTimestamp;
}

/** The proxy's admin port of a meshed pod with an address of its own. */
function adminPort({ spec, status }: V1Pod): number | undefined {
  if (spec?.hostNetwork || !status?.podIP) return undefined;
  // The proxy is an init container where it runs as a native sidecar.
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return containers.flatMap(({ ports }) => ports ?? []).find(({ name }) => name === "linkerd-admin")?.containerPort;
}

/** The pod's address as a URL has it. */
function hostOf({ status }: V1Pod): string {
  const address = status?.podIP ?? "";
  return address.includes(":") ? `[${address}]` : address;
}

interface Asking {
  namespace: string;
  node: string;
  asked: V1Pod[];
  image: string;
  patience: Patience;
}

/**
 * Asks from a pod on this node.
 *
 * @returns the addresses that answered, or why the pod did not ask
 */
async function askFrom(
  core: CoreV1Api,
  { namespace, node, asked, image, patience }: Asking,
): Promise<Set<string> | string> {
  const name = `mesh-route-${randomBytes(4).toString("hex")}`;
  const addresses = asked.map((pod) => `${hostOf(pod)}:${adminPort(pod)}`);
  await core.createNamespacedPod({ namespace, body: podOf(name, node, image, addresses) });
  try {
    for (;;) {
      const { status } = await core.readNamespacedPod({ namespace, name });
      const [container] = status?.containerStatuses ?? [];
      if (status?.phase === "Succeeded") return new Set(container?.state?.terminated?.message?.split("\n").filter(Boolean)); // prettier-ignore
      const waiting = container?.state?.waiting;
      const why = [status?.phase, waiting?.reason, waiting?.message].filter(Boolean).join(": ");
      if (status?.phase === "Failed" || patience.leftMs() <= 0)
        return `pod ${namespace}/${name} did not finish (${why})`;
      await sleep(300, undefined, { signal: patience.signal });
    }
  } finally {
    await core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 }).catch((error: { code?: unknown }) => {
      if (error.code !== 404) throw error;
    });
  }
}

/** Writes the addresses that answer into its termination message. */
function podOf(name: string, node: string, image: string, addresses: string[]): V1Pod {
  const script = `
for address; do
  (curl -s --connect-timeout 3 --max-time 6 "http://$address/ready" | grep -qx ready && echo "\${address%:*}" >> /dev/termination-log) &
done
wait`;
  return {
    metadata: { name, annotations: { "linkerd.io/inject": "disabled" } },
    spec: {
      nodeName: node,
      tolerations: [{ operator: "Exists" }],
      restartPolicy: "Never",
      // If this program is killed, the pod still ends.
      activeDeadlineSeconds: 300,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      // What the Pod Security Standard "restricted" asks for.
      securityContext: { runAsNonRoot: true, runAsUser: 100, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "curl",
          image,
          command: ["sh", "-c", script, "sh", ...addresses],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        },
      ],
    },
  };
}
