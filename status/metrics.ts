import type { ClusterClient, Pod } from "../verify/api";
import { gatewayAlive, metricsOf, sumOf } from "../verify/metrics";
import { clusterLabel } from "../verify/mirroredServices";
import { isRunning } from "../verify/pods";
import { Deadline } from "../verify/watch";

/** What Linkerd's own metrics say in one cluster. */
export interface Metrics {
  /** By name of the target. Absent where the link's controller does not answer. */
  probes: Record<string, Probe | undefined>;
  /** Requests through the gateway since its pods started. Undefined if one of its pods does not answer. */
  requests?: number;
}

/** A controller's probes of its target's gateway: linkerd2, multicluster/service-mirror/metrics.go. */
export interface Probe {
  isAlive: boolean;
  /** Milliseconds of the last answered probe. */
  latency?: number;
  /** Number of answered probes since the controller's start. */
  answered: number;
}

/** Longer than the slowest answer seen, which was 0.4 s, and short enough for a page that follows. */
const patienceSeconds = 3;

/** Asks the pods of the multicluster extension, all at once. A pod that does not answer is left out. */
export async function readMetrics(cluster: ClusterClient, pods: Pod[], signal: AbortSignal): Promise<Metrics> {
  const running = pods.filter(isRunning);
  const ask = (pod: Pod, program: "controller" | "proxy") =>
    metricsOf(cluster, pod, program, new Deadline(patienceSeconds, signal)).catch(() => undefined);
  const controllers = running.filter(({ metadata }) => metadata?.labels?.component === "controller");
  const gateways = running.filter(({ metadata }) => metadata?.labels?.app === "linkerd-gateway");
  const [probes, requests] = await Promise.all([
    Promise.all(
      controllers.map(async (pod) => {
        const target = pod.metadata?.labels?.[clusterLabel] ?? "";
        return [target, probeOf((await ask(pod, "controller")) ?? "", target)] as const;
      }),
    ),
    Promise.all(gateways.map(async (pod) => requestsOf(await ask(pod, "proxy")))),
  ]);
  const counted = requests.filter((one) => one !== undefined);
  // Without one pod's number the sum would fall, and rise again.
  const isWhole = counted.length === gateways.length && counted.length > 0;
  return {
    // Only the leader of several controllers has the gauges.
    probes: Object.fromEntries(probes.filter(([, probe]) => probe !== undefined)),
    requests: isWhole ? counted.reduce((sum, one) => sum + one, 0) : undefined,
  };
}

/** Undefined if the pod does not hold the link. */
export function probeOf(metrics: string, target: string): Probe | undefined {
  const value = (name: string, ...labels: string[]) => sumOf(metrics, name, `target_cluster_name="${target}"`, ...labels); // prettier-ignore
  const isAlive = gatewayAlive(metrics, target);
  if (isAlive === undefined) return undefined;
  return {
    isAlive,
    latency: value("gateway_latency"),
    answered: value("gateway_probes", 'probe_successful="true"') ?? 0,
  };
}

/**
 * HTTP requests that a gateway's policy admitted from other clusters. Not `request_total`: the proxy forgets it ten
 * minutes after the last request.
 */
export function requestsOf(metrics: string | undefined): number | undefined {
  if (metrics === undefined) return undefined;
  return sumOf(metrics, "inbound_http_authz_allow_total", 'target_port="4143"') ?? 0;
}
