import { controlPlane, kubectl, type Cluster, type Pod } from "./api";
import { controllerOf, evict } from "./restart";
import { runLabel } from "./sandbox";
import { Deadline, until, View } from "./watch";

/** Seconds for one pod to go and its successor to become ready, its image in place. */
const restartSeconds = 180;

/** Set on a Deployment's pods by `kubectl rollout restart`, and here for the same end. */
const restartedAt = "kubectl.kubernetes.io/restartedAt";

const proxy = "linkerd-proxy";

/** Whether the pod runs with a proxy of Linkerd's. The proxy is an init container where it is a native sidecar. */
function isMeshed({ metadata, spec, status }: Pod): boolean {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  return !ended && !metadata?.deletionTimestamp && containers.some(({ name }) => name === proxy);
}

/**
 * Meshed pods outside the control plane that are older than its newest identity pod.
 *
 * A proxy reads the trust anchors and asks for its certificate when it starts. One that is older than the identity
 * controller may hold those of before.
 */
async function outdated(cluster: Cluster): Promise<Pod[]> {
  const labelSelector = "linkerd.io/control-plane-component=identity";
  const [pods, { items: identities }] = await Promise.all([
    meshedPods(cluster),
    cluster.core.listNamespacedPod({ namespace: controlPlane, labelSelector }),
  ]);
  const born = ({ metadata }: Pod): number => metadata?.creationTimestamp?.getTime() ?? 0;
  const newest = Math.max(...identities.map(born));
  return pods.filter((pod) => born(pod) < newest);
}

/** All meshed pods but the control plane's, and those of runs of verify and acceptance, which see to their own. */
async function meshedPods({ core }: Cluster): Promise<Pod[]> {
  const [{ items: pods }, { items: runs }] = await Promise.all([
    core.listPodForAllNamespaces(),
    core.listNamespace({ labelSelector: runLabel }),
  ]);
  const others = new Set([controlPlane, ...runs.map(({ metadata }) => metadata?.name ?? "")]);
  return pods.filter((pod) => isMeshed(pod) && !others.has(pod.metadata?.namespace ?? ""));
}

/** Meshed pods that nobody makes anew: bare ones, and those of Jobs, which count a lost pod as failed. */
async function irreplaceable(cluster: Cluster): Promise<Pod[]> {
  return (await meshedPods(cluster)).filter((pod) => ["Job", undefined].includes(controllerOf(pod)?.kind));
}

const called = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

/**
 * Why the certificates of these clusters cannot be rotated now: pods whose proxies keep what they started with.
 *
 * @returns a sentence for each such pod, with what to type
 */
export async function rotationProblems(clusters: readonly Cluster[]): Promise<string[]> {
  const found = await Promise.all(
    clusters.map(async (cluster) =>
      (await irreplaceable(cluster)).map((pod) => {
        const job = controllerOf(pod)?.name;
        const { namespace = "", name = "" } = pod.metadata ?? {};
        const why = job ? `belongs to Job ${job}` : "has no controller";
        const next = job ? `wait for it, or delete job/${job}` : `delete pod/${name}`;
        return (
          `${cluster.name}: pod ${called(pod)} ${why}, so nothing restarts its proxy, which keeps the old trust anchor. ` +
          `Next: ${kubectl(cluster, `-n ${namespace} ${next.startsWith("wait") ? `get job/${job}` : next}`)}` +
          (job ? `, and wait for its end or delete it` : "")
        );
      }),
    ),
  );
  return found.flat();
}

/**
 * Restarts, one at a time, the meshed pods that the last update left as they were: pods of workloads outside the stack,
 * with update strategy OnDelete, or below a partition.
 *
 * @param tell receives a line for each restart
 * @throws Error naming the pod whose successor does not become ready in three minutes, or that nobody makes anew
 */
export async function restartOutdated(
  clusters: readonly Cluster[],
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const cluster of clusters) {
    const done = new Set<string>();
    for (const pod of byOrdinal(await outdated(cluster))) {
      const controller = controllerOf(pod);
      if (!controller || controller.kind === "Job") {
        throw new Error(`${(await rotationProblems([cluster])).join("\n")}`);
      }
      const deadline = new Deadline(restartSeconds, signal);
      if (controller.kind !== "ReplicaSet") {
        tell(`${cluster.name}: restarting pod ${called(pod)}`);
        await evict(cluster, pod, deadline);
        continue;
      }
      const deployment = await deploymentOf(cluster, pod);
      const key = `${pod.metadata?.namespace}/${deployment ?? controller.name}`;
      if (done.has(key)) continue;
      done.add(key);
      if (deployment === undefined) {
        tell(`${cluster.name}: restarting pod ${called(pod)}`);
        await evict(cluster, pod, deadline);
        done.delete(key);
      } else {
        tell(`${cluster.name}: restarting deployment ${key}`);
        await rollout(cluster, pod.metadata?.namespace ?? "", deployment, deadline);
      }
    }
  }
}

/** Highest ordinal first, as a StatefulSet restarts its own. */
function byOrdinal(pods: readonly Pod[]): Pod[] {
  return [...pods].sort((a, b) => called(b).localeCompare(called(a), "en", { numeric: true }));
}

async function deploymentOf({ apps }: Cluster, pod: Pod): Promise<string | undefined> {
  const namespace = pod.metadata?.namespace ?? "";
  const replicaSet = await apps.readNamespacedReplicaSet({ namespace, name: controllerOf(pod)?.name ?? "" });
  const owner = replicaSet.metadata?.ownerReferences?.find(({ controller }) => controller);
  return owner?.kind === "Deployment" ? owner.name : undefined;
}

/** Restarts a Deployment by its own strategy, which brings new pods before old ones go, and waits for the end. */
async function rollout(cluster: Cluster, namespace: string, name: string, deadline: Deadline): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const view = await View.open(cluster, path, () => cluster.apps.listNamespacedDeployment({ namespace }));
  try {
    const annotations = { [restartedAt]: new Date().toISOString() };
    const deployment = await cluster.apps.readNamespacedDeployment({ namespace, name });
    const present = deployment.spec?.template.metadata?.annotations ?? {};
    const body = [{ op: "add", path: "/spec/template/metadata/annotations", value: { ...present, ...annotations } }];
    const patched = await cluster.apps.patchNamespacedDeployment({ namespace, name, body });
    const missing = (): string | undefined => {
      const now = view.get(name);
      const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = now?.status ?? {};
      const wanted = now?.spec?.replicas ?? 1;
      const all = updatedReplicas >= wanted && availableReplicas >= wanted && replicas === updatedReplicas;
      return observedGeneration >= (patched.metadata?.generation ?? 0) && all
        ? undefined
        : `deployment ${namespace}/${name} does not finish its restart`;
    };
    const still = await until([view], missing, deadline);
    if (still) throw new Error(still);
  } finally {
    await view.close();
  }
}
