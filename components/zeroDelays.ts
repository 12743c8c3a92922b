import type { Manifest } from "../config/manifests";

const probes = ["startupProbe", "livenessProbe", "readinessProbe"] as const;
type Container = Partial<Record<(typeof probes)[number], { initialDelaySeconds?: number }>>;

interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
}

/**
 * Leaves out delays of zero seconds, which the API server does not store. While another field of the Deployment is
 * unknown, a preview does not ask the API server: it then lists fewer changed fields than the update.
 */
export function withoutZeroDelays(deployment: Manifest): Manifest {
  const { template, ...rest } = deployment.spec as { template: { spec: PodSpec } };
  const { initContainers, containers } = template.spec;
  const podSpec = {
    ...template.spec,
    ...(initContainers && { initContainers: initContainers.map(cleaned) }),
    containers: containers.map(cleaned),
  };
  return { ...deployment, spec: { ...rest, template: { ...template, spec: podSpec } } };
}

function cleaned(container: Container): Container {
  const changed = probes.flatMap((probe) => {
    const { initialDelaySeconds, ...others } = container[probe] ?? {};
    return initialDelaySeconds === 0 ? [[probe, others]] : [];
  });
  return { ...container, ...Object.fromEntries(changed) } as Container;
}
