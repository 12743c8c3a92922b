import type { V1Deployment } from "@kubernetes/client-node";

/** Whether all pods of a Deployment have its current template and are available, like `kubectl rollout status`. */
export function isRolledOut({ metadata, spec, status }: V1Deployment): boolean {
  const wanted = spec?.replicas ?? 1;
  const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status ?? {};
  const all = updatedReplicas === wanted && availableReplicas === wanted && replicas === wanted;
  return observedGeneration >= (metadata?.generation ?? 0) && all;
}
