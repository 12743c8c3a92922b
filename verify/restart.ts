import { found, type ClusterClient, type Pod } from "./api";
import { isReady } from "./pods";
import { until, View, type Deadline } from "./watch";

/** The controller that recreates the pod when it is deleted, or undefined. */
export function controllerOf(pod: Pod): { kind: string; name: string; uid: string } | undefined {
  return pod.metadata?.ownerReferences?.find(({ controller }) => controller);
}

/** Deletes a pod and waits until its controller has as many ready pods as before. So only one is missing at a time. */
export async function replace(cluster: ClusterClient, pod: Pod, deadline: Deadline): Promise<void> {
  const { namespace = "", name = "", uid } = pod.metadata ?? {};
  const owner = controllerOf(pod)?.uid;
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const view = await View.open(cluster, path, () => cluster.core.listNamespacedPod({ namespace }));
  const ready = (): Pod[] => view.items().filter((one) => isReady(one) && controllerOf(one)?.uid === owner);
  try {
    const before = ready().length;
    await found(cluster.core.deleteNamespacedPod({ namespace, name }));
    const missing = (): string | undefined =>
      view.items().some((one) => one.metadata?.uid === uid)
        ? `pod ${namespace}/${name} is still there`
        : ready().length < before
          ? `the pod that follows ${namespace}/${name} is not ready`
          : undefined;
    const still = await until([view], missing, deadline);
    if (still) throw new Error(still);
  } finally {
    await view.close();
  }
}
