import { controlPlane, kubectl, type ClusterClient, type Pod } from "./api";
import { controllerOf } from "./restart";
import { runLabel } from "./testNamespaces";

const proxy = "linkerd-proxy";

/** Whether the pod runs with Linkerd's proxy. The proxy is an init container where it runs as a native sidecar. */
function isMeshed({ metadata, spec, status }: Pod): boolean {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  return !ended && !metadata?.deletionTimestamp && containers.some(({ name }) => name === proxy);
}

/** All meshed pods, without the control plane's and those of verify and acceptance runs. The runs replace their own. */
async function meshedPods({ core }: ClusterClient): Promise<Pod[]> {
  const [{ items: pods }, { items: runs }] = await Promise.all([
    core.listPodForAllNamespaces(),
    core.listNamespace({ labelSelector: runLabel }),
  ]);
  const others = new Set([controlPlane, ...runs.map(({ metadata }) => metadata?.name ?? "")]);
  return pods.filter((pod) => isMeshed(pod) && !others.has(pod.metadata?.namespace ?? ""));
}

/** Meshed pods that nothing replaces: bare ones, and those of Jobs. A Job counts a lost pod as failed. */
async function irreplaceable(cluster: ClusterClient): Promise<Pod[]> {
  return (await meshedPods(cluster)).filter((pod) => ["Job", undefined].includes(controllerOf(pod)?.kind));
}

const called = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

/**
 * Why the certificates of these clusters cannot be rotated now: some pods' proxies would keep their old trust anchor.
 *
 * @returns one message per such pod, with the command to type
 */
export async function rotationProblems(clusters: readonly ClusterClient[]): Promise<string[]> {
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
