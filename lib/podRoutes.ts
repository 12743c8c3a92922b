import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { CoreV1Api, V1Pod } from "@kubernetes/client-node" with { "resolution-mode": "import" };

/** A way from the pods of one node of the source to those of one node of the target. */
export interface PodRoute {
  /** A node of the source. */
  from: string;
  /** A node of the target. */
  to: string;
  /** A pod there, by its address. Example: `10.64.128.7` */
  pod: string;
}

export interface Measured {
  answered: PodRoute[];
  missing: PodRoute[];
  /** Why a node could not be asked, or be asked from. */
  unknown: string[];
}

/** curl of the demo's workloads, which a running stack has. */
const image = "curlimages/curl:8.17.0";

/** Includes pulling the image. */
const patienceMs = 120_000;

/**
 * Tries all ways of a request from each node of one cluster to the pods of each node of another. On each node of the
 * source it runs a pod without a proxy, which asks one meshed pod per node of the target whether its proxy is ready. Another
 * answer does not count: a proxy on the way to the internet may answer for addresses that it does not know.
 *
 * @param namespace of the source, where the pods run for a moment
 * @param signal stops it; the pods are deleted all the same
 * @example (await measureRoutes(east.core, west.core, "linkerd-multicluster")).missing // [] if pods reach each other
 */
export async function measureRoutes(
  source: CoreV1Api,
  target: CoreV1Api,
  namespace: string,
  signal?: AbortSignal,
): Promise<Measured> {
  const [{ items: sources }, { items: targets }, { items: pods }] = await Promise.all([
    source.listNode(),
    target.listNode(),
    target.listPodForAllNamespaces({ fieldSelector: "status.phase=Running" }),
  ]);
  const answering = pods.filter((pod) => adminPort(pod) !== undefined && !pod.metadata?.deletionTimestamp);
  const asked = targets.flatMap(
    ({ metadata }) => answering.find(({ spec }) => spec?.nodeName === metadata?.name) ?? [],
  );
  const silent = targets
    .map(({ metadata }) => metadata?.name ?? "")
    .filter((node) => !asked.some(({ spec }) => spec?.nodeName === node));
  const measured: Measured = {
    answered: [],
    missing: [],
    unknown: silent.map((node) => `no meshed pod runs on node ${node} of the target`),
  };
  await Promise.all(
    sources.map(async ({ metadata }) => {
      const from = metadata?.name ?? "";
      const reached = await askFrom(source, { namespace, node: from, asked, signal });
      if (typeof reached === "string") return measured.unknown.push(`node ${from} of the source: ${reached}`);
      for (const pod of asked) {
        const route = { from, to: pod.spec?.nodeName ?? "", pod: pod.status?.podIP ?? "" };
        measured[reached.has(hostOf(pod)) ? "answered" : "missing"].push(route);
      }
      return undefined;
    }),
  );
  return measured;
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

/**
 * Asks from a pod on this node.
 *
 * @returns the addresses that answered, or why the pod did not ask
 */
async function askFrom(
  core: CoreV1Api,
  { namespace, node, asked, signal }: { namespace: string; node: string; asked: V1Pod[]; signal?: AbortSignal },
): Promise<Set<string> | string> {
  const name = `mesh-route-${randomBytes(4).toString("hex")}`;
  const addresses = asked.map((pod) => `${hostOf(pod)}:${adminPort(pod)}`);
  await core.createNamespacedPod({ namespace, body: podOf(name, node, addresses) });
  try {
    const end = Date.now() + patienceMs;
    for (;;) {
      const { status } = await core.readNamespacedPod({ namespace, name });
      const [container] = status?.containerStatuses ?? [];
      if (status?.phase === "Succeeded")
        return new Set(container?.state?.terminated?.message?.split("\n").filter(Boolean));
      const waiting = container?.state?.waiting;
      const why = [status?.phase, waiting?.reason, waiting?.message].filter(Boolean).join(": ");
      if (status?.phase === "Failed" || Date.now() > end) return `pod ${namespace}/${name} did not end well (${why})`;
      await sleep(300, undefined, { signal });
    }
  } finally {
    await core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 });
  }
}

/** Writes the addresses that answer into its termination message. */
function podOf(name: string, node: string, addresses: string[]): V1Pod {
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
