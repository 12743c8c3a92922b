import { setTimeout as sleep } from "node:timers/promises";
import {
  abortable,
  controlPlane,
  extension,
  isOwnFault,
  linksOf,
  reason,
  type ClusterClient,
  type Deployment,
  type Link,
  type Pod,
  type Service,
} from "../verify/api";
import { certificates } from "../verify/certificates";
import { exportLabel, isHeadless } from "../verify/mirroredServices";
import { isFakeNode } from "../verify/simulated";
import { bundleOf, issuerOf } from "../verify/trust";
import { readMetrics, type Metrics } from "./metrics";

/** What one cluster says about itself. */
export interface ClusterFacts {
  /** All its nodes are kwok's. */
  isSimulated: boolean;
  namespaces: Set<string>;
  services: Service[];
  /** Pods behind each exported headless service, by `namespace/name`. */
  pods: Map<string, Pod[]>;
  /** Of linkerd and linkerd-multicluster. */
  deployments: Deployment[];
  links: Link[];
  /** When each certificate expires, RFC 3339. */
  expires: { what: string; at: string }[];
  metrics: Metrics;
}

/** Facts, or the reason why there are none. */
export type ClusterAnswer = { facts: ClusterFacts } | { down: string };

/** By the cluster's name. */
export type ClusterAnswers = Record<string, ClusterAnswer>;

/** What a cluster says about itself, or undefined if it does not answer. */
export type FactsOf = (name: string) => ClusterFacts | undefined;

export function factsOf(answers: ClusterAnswers): FactsOf {
  return (name) => {
    const answer = answers[name];
    return answer && "facts" in answer ? answer.facts : undefined;
  };
}

/** A cluster that does not answer within this time counts as down, in milliseconds. */
const patience = 5_000;

/**
 * Asks one cluster. It reads services, pods, Deployments, Links, public certificates, and Linkerd's metrics.
 *
 * @throws an error only when this program is at fault
 */
export async function askCluster(cluster: ClusterClient): Promise<ClusterAnswer> {
  const stop = new AbortController();
  const late = sleep(patience, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`it did not answer within ${patience / 1000} s`);
  });
  try {
    return { facts: await Promise.race([read(await abortable(cluster, stop.signal), stop.signal), late]) };
  } catch (error) {
    if (isOwnFault(error)) throw error;
    return { down: reason(error) };
  } finally {
    stop.abort();
    await late.catch(() => undefined);
  }
}

async function read(cluster: ClusterClient, signal: AbortSignal): Promise<ClusterFacts> {
  const { core, apps } = cluster;
  const [nodes, namespaces, services, extensionPods, linkerd, multicluster, links, bundle, issuer] = await Promise.all([
    core.listNode(),
    core.listNamespace(),
    core.listServiceForAllNamespaces(),
    core.listNamespacedPod({ namespace: extension }),
    apps.listNamespacedDeployment({ namespace: controlPlane }),
    apps.listNamespacedDeployment({ namespace: extension }),
    linksOf(cluster),
    bundleOf(cluster),
    issuerOf(cluster),
  ]);
  const isSimulated = nodes.items.length > 0 && nodes.items.every(isFakeNode);
  const [pods, metrics] = await Promise.all([
    podsBehind(cluster, services.items),
    isSimulated ? { probes: {} } : readMetrics(cluster, extensionPods.items, signal),
  ]);
  return {
    isSimulated,
    namespaces: new Set(namespaces.items.map(({ metadata }) => metadata?.name ?? "")),
    services: services.items,
    pods,
    deployments: [...linkerd.items, ...multicluster.items],
    links,
    expires: [...expiries("trust anchor", bundle), ...expiries("issuer", issuer.certificate)],
    metrics,
  };
}

function expiries(what: string, pem: string | undefined): { what: string; at: string }[] {
  return certificates(pem ?? "").map(({ validTo }) => ({ what, at: new Date(validTo).toISOString() }));
}

async function podsBehind({ core }: ClusterClient, services: Service[]): Promise<Map<string, Pod[]>> {
  const exported = services.filter(
    (service) => service.metadata?.labels?.[exportLabel] !== undefined && isHeadless(service) && service.spec?.selector,
  );
  const lists = exported.map(async ({ metadata, spec }) => {
    const { namespace = "", name = "" } = metadata ?? {};
    const labelSelector = Object.entries(spec?.selector ?? {}).map((pair) => pair.join("=")).join(","); // prettier-ignore
    const { items } = await core.listNamespacedPod({ namespace, labelSelector });
    return [`${namespace}/${name}`, items] as const;
  });
  return new Map(await Promise.all(lists));
}
