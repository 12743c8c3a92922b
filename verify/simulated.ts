import { controlPlane, extension, type ClusterClient, type KubernetesObject } from "./api";
import type { ClusterContext, LinkContext } from "./check";

/** Whether kwok simulates a node. It marks such nodes: https://kwok.sigs.k8s.io/docs/user/kwok-manage-nodes-and-pods/ */
export function isFakeNode({ metadata }: KubernetesObject): boolean {
  return metadata?.annotations?.["kwok.x-k8s.io/node"] === "fake";
}

/**
 * Whether kwok simulates all pods behind a selector. The nodes decide, not the stack's runtime: a kwok cluster may have
 * real nodes, and an `existing` one may be kwok. Without a pod the answer is no: the pod is missing, not simulated.
 */
async function simulated(cluster: ClusterClient, namespace: string, labelSelector: string): Promise<boolean> {
  const [{ items: pods }, { items: nodes }] = await Promise.all([
    cluster.core.listNamespacedPod({ namespace, labelSelector }),
    cluster.core.listNode(),
  ]);
  const fake = new Set(nodes.filter(isFakeNode).map((node) => node.metadata?.name));
  return pods.length > 0 && pods.every((pod) => fake.has(pod.spec?.nodeName));
}

/** Why nothing mirrors over this link here, or undefined when a service mirror runs. */
export async function noMirror({ source, link, external }: LinkContext): Promise<string | undefined> {
  if (external.has("mirror")) return undefined;
  const selector = `component=controller,mirror.linkerd.io/cluster-name=${link.target}`;
  if (!(await simulated(source, extension, selector))) return undefined;
  return `the pods of controller-${link.target} in ${source.name} are simulated by kwok: no service mirror runs`;
}

/** Why nothing joins the cluster's services to federated ones, or undefined when its mirrors run. */
export async function noLocalMirror({ cluster, external }: ClusterContext): Promise<string | undefined> {
  if (external.has("mirror")) return undefined;
  if (!(await simulated(cluster, extension, "component=local-service-mirror"))) return undefined;
  return `the pods of linkerd-local-service-mirror in ${cluster.name} are simulated by kwok: no service is federated`;
}

/** Why no pod can have a proxy here, or undefined when the injector runs. */
export async function noInjector({ cluster, external }: ClusterContext): Promise<string | undefined> {
  if (external.has("injector")) return undefined;
  if (!(await simulated(cluster, controlPlane, "linkerd.io/control-plane-component=proxy-injector"))) return undefined;
  return `the pods of linkerd-proxy-injector in ${cluster.name} are simulated by kwok: nothing is injected`;
}

/** Why no request can flow over this link here, or undefined when the target's gateway runs. */
export async function noTraffic({ target }: LinkContext): Promise<string | undefined> {
  if (!(await simulated(target, extension, "app=linkerd-gateway"))) return undefined;
  return `the pods of linkerd-gateway in ${target.name} are simulated by kwok: no traffic flows`;
}
