import { extension, found, type ClusterClient, type Pod } from "./api";
import type { Repair } from "./check";
import { clusterLabel } from "./mirroredServices";
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

/**
 * Restarts the controller of a link, by deleting its pods. `kubectl rollout restart` would write an annotation into the
 * Deployment. Pulumi owns the Deployment, so the next refresh would show the annotation.
 */
export function restartController(cluster: ClusterClient, target: string): Repair {
  return restartMirror(cluster, `controller-${target}`, `component=controller,${clusterLabel}=${target}`);
}

/** Restarts the mirror of a cluster's own services. It makes no mirrors, it only joins services to federated ones. */
export function restartLocalMirror(cluster: ClusterClient): Repair {
  return restartMirror(cluster, "linkerd-local-service-mirror", "component=local-service-mirror");
}

function restartMirror(cluster: ClusterClient, deployment: string, labelSelector: string): Repair {
  return {
    does: `${cluster.name}: restart ${deployment} (delete its pod, the Deployment makes another)`,
    key: `${cluster.name}/${deployment}`,
    async run(deadline): Promise<void> {
      const { items } = await cluster.core.listNamespacedPod({ namespace: extension, labelSelector });
      for (const pod of items) await replace(cluster, pod, deadline);
    },
  };
}
