import type { ClusterClient } from "./api";
import type { LinkContext } from "./check";
import { exportLabel, federatedLabel } from "./mirroredServices";
import { noTraffic } from "./simulated";

/** Services whose pods are reached without the gateway. linkerd2, pkg/k8s/labels.go */
const direct = [`${exportLabel}=remote-discovery`, `${federatedLabel}=member`];

/** Whether a cluster exports a flat or a federated service. */
export async function exportsDirectly({ core }: ClusterClient): Promise<boolean> {
  const lists = direct.map((labelSelector) => core.listServiceForAllNamespaces({ labelSelector, limit: 1 }));
  return (await Promise.all(lists)).some(({ items }) => items.length > 0);
}

/** Why no request can flow from pod to pod over a link, or undefined. */
export async function noDirectTraffic(context: LinkContext): Promise<string | undefined> {
  const simulated = await noTraffic(context);
  if (simulated !== undefined) return simulated;
  return (await exportsDirectly(context.target)) ? undefined : "the target exports no flat or federated service";
}
