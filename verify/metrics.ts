import type { ClusterClient, Pod } from "./api";
import { fetchFromPod, portNamed } from "./portForward";
import type { Deadline } from "./watch";

/** Programs of Linkerd that serve metrics: their container, the end of the port's name, and its number in the charts. */
const programs = {
  /** linkerd2, multicluster/cmd/service-mirror/main.go */
  controller: ["controller", "-admin", 9999],
  /** linkerd2, controller/cmd/destination/main.go */
  destination: ["destination", "-admin", 9996],
  /** linkerd2, charts/linkerd-control-plane/values.yaml, proxy.ports.admin */
  proxy: ["linkerd-proxy", "linkerd-admin", 4191],
} as const;

/**
 * The metrics of a pod, in Prometheus' text format.
 *
 * @throws Error when the pod does not answer within the deadline: see fetchFromPod
 * @example await metricsOf(west, pod, "proxy", deadline)
 */
export function metricsOf(
  cluster: ClusterClient,
  pod: Pod,
  program: keyof typeof programs,
  deadline: Deadline,
): Promise<string> {
  const [container, port, usual] = programs[program];
  const { namespace = "", name = "" } = pod.metadata ?? {};
  return fetchFromPod(cluster, { namespace, name }, portNamed(pod, container, port) ?? usual, "/metrics", deadline);
}

/** The sum of all samples of a metric with these labels. Undefined if there is none. */
export function sumOf(metrics: string, name: string, ...labels: string[]): number | undefined {
  const samples = metrics
    .split("\n")
    .filter((line) => /^[{ ]/.test(line.slice(name.length)) && line.startsWith(name))
    .filter((line) => labels.every((label) => line.includes(label)));
  if (samples.length === 0) return undefined;
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/**
 * Whether a link's controller calls the target's gateway alive: linkerd2, multicluster/service-mirror/metrics.go.
 * Undefined if the pod is not the link's leader.
 */
export function gatewayAlive(metrics: string, target: string): boolean | undefined {
  const gauge = sumOf(metrics, "gateway_alive", `target_cluster_name="${target}"`);
  return gauge === undefined ? undefined : gauge === 1;
}
