import type { Manifest } from "../config/manifests";

/**
 * Seconds that a Linkerd pod keeps serving after it is asked to terminate. kube-proxy and the other proxies send to it
 * until they notice, which takes seconds on a busy node.
 */
const drainSeconds = 10;

interface PodSpec {
  containers: { name: string; lifecycle?: unknown }[];
}

/**
 * Makes the pods of a chart's Deployment keep serving for a while when they terminate. The next pod is ready by then,
 * so a restart loses no request.
 *
 * The pods' proxies are native sidecars and end after the containers that wait here. The kubelet does the waiting, not
 * a command in the image.
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
