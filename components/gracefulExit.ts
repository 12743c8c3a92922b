import type { Manifest } from "../config/manifests";

/**
 * Seconds that a pod of Linkerd's goes on serving after it was asked to end. Until kube-proxy and the other proxies have
 * heard of its end they still send to it: seconds on a busy node.
 */
const drainSeconds = 10;

interface PodSpec {
  containers: { name: string; lifecycle?: unknown }[];
}

/**
 * A Deployment of a chart whose pods serve on for a while when they end, so that a restart loses no request: the next pod is
 * ready by then.
 *
 * The pods' proxies are native sidecars and end after the containers that wait here. The kubelet sleeps, not the image.
 * https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/#hook-handler-implementations
 */
export function drainedBeforeExit(deployment: Manifest): Manifest {
  const { template, ...rest } = deployment.spec as { template: { spec: PodSpec } };
  const containers = template.spec.containers.map((container) => ({
    ...container,
    lifecycle: container.lifecycle ?? { preStop: { sleep: { seconds: drainSeconds } } },
  }));
  const spec = { ...rest, template: { ...template, spec: { ...template.spec, containers } } };
  return { ...deployment, spec };
}
