import type { Endpoints, Service } from "./api";

/** Labels and annotations of linkerd2, pkg/k8s/labels.go. */
export const exportLabel = "mirror.linkerd.io/exported";
/** Of a service that is joined with the services of its name in all clusters. */
export const federatedLabel = "mirror.linkerd.io/federated";
export const mirroredLabel = "mirror.linkerd.io/mirrored-service";
export const gatewayLabel = "mirror.linkerd.io/mirrored-gateway";
export const clusterLabel = "mirror.linkerd.io/cluster-name";
export const headlessOfLabel = "mirror.linkerd.io/headless-mirror-svc-name";
export const nameOnTarget = "mirror.linkerd.io/remote-svc-fq-name";
export const discoveryLabel = "multicluster.linkerd.io/remote-discovery";

/** All services and endpoints in one namespace of the source. */
export interface Mirrored {
  services: readonly Service[];
  endpoints: readonly Endpoints[];
}

/** The facts from which the mirror of a StatefulSet's exported headless service follows. */
export interface Expected {
  /** Name of the exported service in the target. */
  service: string;
  namespace: string;
  /** Names of its ready pods. */
  pods: readonly string[];
  /** Name of the target, which is also the link's. */
  target: string;
  targetDomain: string;
}

export function mirrorName(name: string, target: string): string {
  return `${name}-${target}`;
}

/** The service that joins the services of one name in all clusters. */
export function federatedName(name: string): string {
  return `${name}-federated`;
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === "None";
}

/** The per-pod services of a headless mirror. */
export function endpointMirrors(services: readonly Service[], root: string): Service[] {
  return services.filter((service) => service.metadata?.labels?.[headlessOfLabel] === root);
}

/** Host name, address and readiness of everything an Endpoints object lists. */
export function addresses(endpoints: Endpoints | undefined): { host?: string; ip: string; ready: boolean }[] {
  return (endpoints?.subsets ?? []).flatMap((subset) => [
    ...(subset.addresses ?? []).map(({ hostname, ip }) => ({ host: hostname, ip, ready: true })),
    ...(subset.notReadyAddresses ?? []).map(({ hostname, ip }) => ({ host: hostname, ip, ready: false })),
  ]);
}

export function byName<T extends Service | Endpoints>(items: readonly T[], name: string): T | undefined {
  return items.find((item) => item.metadata?.name === name);
}

/** Everything in the namespace that still mirrors this service: the root, its endpoint mirrors, their Endpoints. */
export function traces({ services, endpoints }: Mirrored, { service, pods, target }: Expected): string[] {
  const root = mirrorName(service, target);
  const names = new Set([root, ...pods.map((pod) => mirrorName(pod, target))]);
  const ours = ({ metadata }: Service | Endpoints): boolean =>
    names.has(metadata?.name ?? "") || metadata?.labels?.[headlessOfLabel] === root;
  return [
    ...services.filter(ours).map((object) => `service ${object.metadata?.name}`),
    ...endpoints.filter(ours).map((object) => `endpoints ${object.metadata?.name}`),
  ].sort();
}

/** Why the root mirror is not a headless mirror of this service, or undefined. */
export function rootFault({ services }: Mirrored, expected: Expected): string | undefined {
  const name = mirrorName(expected.service, expected.target);
  const root = byName(services, name);
  if (!root) return `there is no service ${name}`;
  const unlabelled = labelFault(root, expected.target);
  if (unlabelled) return unlabelled;
  return isHeadless(root) ? undefined : `${name} has clusterIP ${root.spec?.clusterIP}, it is not headless`;
}

/** Why there is not exactly one working endpoint mirror per ready pod, or undefined. */
export function endpointMirrorFault({ services, endpoints }: Mirrored, expected: Expected): string | undefined {
  const { service, namespace, pods, target, targetDomain } = expected;
  const root = mirrorName(service, target);
  const existing = endpointMirrors(services, root);
  const wanted = new Set(pods.map((pod) => mirrorName(pod, target)));
  const surplus = existing.filter((mirror) => !wanted.has(mirror.metadata?.name ?? ""));
  if (surplus.length > 0) return `surplus: ${surplus.map((mirror) => mirror.metadata?.name).join(", ")}`;

  for (const pod of pods) {
    const name = mirrorName(pod, target);
    const mirror = byName(services, name);
    if (!mirror) return `pod ${pod} has no service ${name}`;
    if (mirror.metadata?.labels?.[headlessOfLabel] !== root)
      return `${name} lacks the label ${headlessOfLabel}=${root}`;
    const unlabelled = labelFault(mirror, target);
    if (unlabelled) return unlabelled;
    if (isHeadless(mirror)) return `${name} is headless, it has no address of its own`;
    const means = mirror.metadata.annotations?.[nameOnTarget];
    const meant = `${pod}.${service}.${namespace}.svc.${targetDomain}`;
    if (means !== meant) return `${name} stands for ${means ?? "nothing"}, not for ${meant}`;
    if (!addresses(byName(endpoints, name)).some(({ ready }) => ready)) return `${name} has no ready address`;
  }
  return undefined;
}

/** Why the headless name does not resolve to each pod's endpoint mirror, or undefined. */
export function addressFault({ services, endpoints }: Mirrored, expected: Expected): string | undefined {
  const { service, pods, target } = expected;
  const root = mirrorName(service, target);
  const listed = addresses(byName(endpoints, root));
  for (const { host, ip, ready } of listed) {
    const mirror = host === undefined ? undefined : byName(services, mirrorName(host, target));
    if (mirror?.spec?.clusterIP !== ip)
      return `${root} lists ${host ?? "a nameless"} ${ip}, no endpoint mirror's address`;
    if (!ready) return `${root} lists ${host} as not ready`;
    if (host === undefined || !pods.includes(host)) return `${root} lists ${host}, no ready pod of the target`;
  }
  const absent = pods.filter((pod) => !listed.some(({ host }) => host === pod));
  return absent.length > 0 ? `${root} does not list ${absent.join(", ")}` : undefined;
}

function labelFault({ metadata }: Service, target: string): string | undefined {
  if (metadata?.labels?.[mirroredLabel] !== "true") return `${metadata?.name} lacks the label ${mirroredLabel}=true`;
  const cluster = metadata.labels[clusterLabel];
  return cluster === target ? undefined : `${metadata.name} has ${clusterLabel}=${cluster}, not ${target}`;
}
