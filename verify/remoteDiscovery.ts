import { controlPlane, kubectl, named, type ClusterClient, type Pod } from "./api";
import { no, yes, type ClusterCheck, type ClusterContext, type Finding } from "./check";
import { exportsDirectly } from "./directExports";
import { metricsOf, sumOf } from "./metrics";
import { isRunning } from "./pods";
import { replace } from "./restart";
import { noInjector } from "./simulated";
import { targetsOf } from "./stack";

/** Reads the gauge of linkerd2's watcher/cluster_store.go: how many linked clusters the controller follows. */
export function followed(metrics: string): number | undefined {
  return sumOf(metrics, "cluster_store_size");
}

/**
 * In flat and federated mode the source's destination controller asks the target's API server where pods are. It opens
 * that connection when it starts, or when the link's Secret appears. If the target does not answer then, it never tries
 * again, and says so only in its log.
 */
export const remoteDiscovery: ClusterCheck = {
  id: "damage.remote-discovery",
  group: "damage",
  scope: "cluster",
  title: "Does the control plane follow the pods of every linked cluster?",
  deadlineSeconds: 15,
  async applies(context: ClusterContext) {
    const { cluster, clusters, stack } = context;
    const targets = targetsOf(stack, cluster.name).flatMap((name) => clusters[name] ?? []);
    const flat = await Promise.all(targets.map(exportsDirectly));
    return flat.includes(true)
      ? noInjector(context)
      : `no cluster that ${cluster.name} mirrors exports a service pod to pod`;
  },
  async run({ cluster, stack, deadline }): Promise<Finding> {
    const targets = targetsOf(stack, cluster.name);
    const labelSelector = "linkerd.io/control-plane-component=destination";
    const { items } = await cluster.core.listNamespacedPod({ namespace: controlPlane, labelSelector });
    const pods = items.filter(isRunning);
    const objects = pods.map((pod) => named(cluster, "pod", pod));
    const logs = kubectl(cluster, `-n ${controlPlane} logs deploy/linkerd-destination -c destination`);
    if (pods.length === 0) return no("no pod of linkerd-destination is running", objects, logs);
    const counts = await Promise.all(
      pods.map(async (pod) => ({ pod, count: followed(await metricsOf(cluster, pod, "destination", deadline)) })),
    );
    const behind = counts.filter(({ count }) => count !== targets.length);
    if (behind.length === 0) return yes(`it follows ${targets.join(", ")}`, objects);
    const [{ count } = { count: undefined }] = behind;
    return no(
      `it follows ${count ?? "none"} of ${targets.length} linked clusters (${targets.join(", ")}): services exported pod to pod do not answer`,
      objects,
      `npm run heal -- ${stack.name}`,
      behind.map(({ pod }) => restart(cluster, pod)),
    );
  },
};

function restart(cluster: ClusterClient, pod: Pod) {
  const name = pod.metadata?.name ?? "";
  return {
    does: `${cluster.name}: restart ${controlPlane}/${name}, which then asks every linked cluster`,
    key: `${cluster.name} pod ${controlPlane}/${name}`,
    run: (deadline: Parameters<typeof replace>[2]) => replace(cluster, pod, deadline),
  };
}
