import type * as k8s from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { runningStack } from "../stacks/stack";
import type { Environment } from "../lib/run";
import { connectAll, type ClusterClient, type Service } from "../verify/api";
import { exportLabel, isHeadless, mirrorName } from "../verify/mirroredServices";
import type { LinkName, Stack } from "../verify/stack";
import { StepFailed } from "./runner";

export type StatefulSet = k8s.V1StatefulSet;

/** The running stack and its clusters. The kubeconfigs stay in memory. */
export interface Mesh {
  stack: Stack;
  clusters: Record<string, ClusterClient>;
}

export async function connectMesh(name: string, env: Environment): Promise<Mesh> {
  const stack = await runningStack(name, env);
  return { stack, clusters: await connectAll(stack) };
}

/** A name that a source cluster can ask. */
export interface Target {
  link: LinkName;
  /** `pod`: name of one pod. `headless`: name of its service. `clusterIP`: mirror of a service without pod names. */
  kind: "pod" | "headless" | "clusterIP";
  /** Example: `nginx-set-0.nginx-svc-west.default.svc.east.cluster.local:80` */
  host: string;
  namespace: string;
  /** The StatefulSet behind it. */
  set?: string;
  /** Pods of that set that may answer. */
  pods: string[];
}

/** The names that a link adds to its source: exported services with a port, and pods of StatefulSets behind them. */
export function targetsOf(
  link: LinkName,
  sourceDomain: string,
  services: readonly Service[],
  sets: readonly StatefulSet[],
): Target[] {
  return services.flatMap((service): Target[] => {
    const { name = "", namespace = "", labels } = service.metadata ?? {};
    const port = service.spec?.ports?.[0]?.port;
    if (labels?.[exportLabel] !== "true" || port === undefined) return [];
    const host = `${mirrorName(name, link.target)}.${namespace}.svc.${sourceDomain}:${port}`;
    const behind = sets.filter(({ metadata, spec }) => metadata?.namespace === namespace && spec?.serviceName === name);
    if (!isHeadless(service) || behind.length === 0) {
      return [{ link, kind: "clusterIP", host, namespace, pods: [] }];
    }
    return behind.flatMap(({ metadata, spec }): Target[] => {
      const set = metadata?.name ?? "";
      const pods = Array.from({ length: spec?.replicas ?? 1 }, (_, i) => `${set}-${i}`);
      return [
        ...pods.map((pod): Target => ({ link, kind: "pod", host: `${pod}.${host}`, namespace, set, pods: [pod] })),
        { link, kind: "headless", host, namespace, set, pods },
      ];
    });
  });
}

/** Every name of every link, from the present state of the clusters. */
export async function allTargets({ stack, clusters }: Mesh): Promise<Target[]> {
  const perLink = stack.links.map(async (link) => {
    const [source, target] = [clusters[link.source], clusters[link.target]];
    if (!source || !target) return [];
    const [services, sets] = await Promise.all([
      target.core.listServiceForAllNamespaces({ labelSelector: `${exportLabel}=true` }),
      target.apps.listStatefulSetForAllNamespaces(),
    ]);
    return targetsOf(link, source.domain, services.items, sets.items);
  });
  return (await Promise.all(perLink)).flat();
}

/**
 * The same, for tests that need a pod to ask by name.
 *
 * @throws StepFailed if the stack has no such pod
 */
export async function targetsWithPods(mesh: Mesh): Promise<Target[]> {
  const targets = await allTargets(mesh);
  if (targets.some(({ kind }) => kind === "pod")) return targets;
  throw new StepFailed("no cluster exports a headless service with a port and a StatefulSet: there is no pod to ask");
}

/** The targets of a load: one pod of each set, and every name for which the gateway chooses the pod. */
export function loadTargets(targets: readonly Target[]): Target[] {
  const seen = new Set<string>();
  return targets.filter(({ kind, link, namespace, set }) => {
    if (kind !== "pod") return true;
    const key = `${link.source} ${link.target} ${namespace} ${set}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Images of all pods. */
export async function podImages({ clusters }: Mesh): Promise<string[]> {
  const lists = await Promise.all(Object.values(clusters).map(({ core }) => core.listPodForAllNamespaces()));
  const specs = lists.flatMap(({ items }) => items.map(({ spec }) => spec));
  const containers = specs.flatMap((spec) => [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]);
  return [...new Set(containers.map(({ image }) => image ?? ""))].filter(Boolean).sort();
}
