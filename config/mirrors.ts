import { type Manifest, placeOf } from "./manifests";
import type { ClusterPlan, LinkPlan } from "./plan";
import type { Network } from "./schema";

/** What Linkerd's labels say about a Service. linkerd2, pkg/k8s/labels.go */
const exportLabel = "mirror.linkerd.io/exported";
const federatedLabel = "mirror.linkerd.io/federated";

/** A Service that a link makes in its source. */
export interface Mirror {
  name: string;
  namespace: string;
  /** The exported Service. */
  service: Manifest;
  /** The cluster that exports it. */
  target: string;
}

/** A Service that other clusters mirror, and the pods behind it that have their own names. */
interface ExportedService {
  service: Manifest;
  name: string;
  namespace: string;
  /** Pod to pod, without the gateway. The pods then have no names. */
  isFlat: boolean;
  isHeadless: boolean;
  ports: ServicePort[];
  sets: Manifest[];
  pods: string[];
}

interface ServicePort {
  port: number;
  targetPort?: number | string | null;
  protocol?: string | null;
}

interface StatefulSetSpec {
  serviceName?: string;
  replicas?: number | null;
  ordinals?: { start?: number | null } | null;
  template?: { spec?: { containers?: { ports?: { name?: string; containerPort?: number }[] | null }[] | null } };
}

export const namespaceOf = ({ metadata }: Manifest): string => metadata.namespace ?? "default";

/**
 * Services that a link makes in its source: one for each exported service, and one for each StatefulSet pod behind a
 * headless one. Headless services without ports are skipped (linkerd2, cluster_watcher_headless.go).
 */
export function mirrorsOf(target: ClusterPlan): Mirror[] {
  const made = exportedServices(target).flatMap(({ service, name, namespace, isFlat, isHeadless, ports, pods }) => {
    if (isHeadless && ports.length === 0) return [];
    const names = [name, ...(isHeadless && !isFlat ? pods : [])].map((one) => `${one}-${target.name}`);
    return names.map((mirror): Mirror => ({ name: mirror, namespace, service, target: target.name }));
  });
  const federated = target.manifests.filter(isFederated).map((service) => {
    const name = `${service.metadata.name}-federated`;
    return { name, namespace: namespaceOf(service), service, target: target.name };
  });
  return [...made, ...federated];
}

/** Services that all links of a source make in it. */
export function mirrorsIn(source: ClusterPlan, links: LinkPlan[]): Mirror[] {
  return links.filter((link) => link.source === source).flatMap(({ target }) => mirrorsOf(target));
}

/** DNS names, with port, by which the source reaches the target's StatefulSet pods and their service. */
export function hostsOf(source: ClusterPlan, target: ClusterPlan): string[] {
  return exportedServices(target).flatMap(({ name, namespace, isFlat, isHeadless, ports, pods }) => {
    if (!isHeadless || isFlat || pods.length === 0) return [];
    const service = `${name}-${target.name}.${namespace}.svc.${source.domain}`;
    return ports
      .filter(({ protocol }) => (protocol ?? "TCP") === "TCP")
      .flatMap(({ port }) => [...pods.map((pod) => `${pod}.${service}:${port}`), `${service}:${port}`]);
  });
}

/** Why the mirrors of some links cannot be made as announced, in words. */
export function mirrorProblems(clusters: ClusterPlan[], links: LinkPlan[], network: Network): string[] {
  const linked = [...new Set(links.map(({ target }) => target))];
  return [
    ...clusters.flatMap(({ manifests }) => manifests.flatMap(labelProblems)),
    ...linked.flatMap(({ manifests }) => manifests.flatMap((object) => modeProblems(object, manifests, network))),
    ...memberProblems(clusters),
    ...linked.flatMap((target) => exportedServices(target).flatMap(portProblems)),
    ...new Set(linked.flatMap(mirrorsOf).flatMap(lengthProblems)),
    ...clusters.flatMap((source) => collisions(source, links)),
  ];
}

const isService = ({ apiVersion, kind }: Manifest) => apiVersion === "v1" && kind === "Service";
const isFederated = (object: Manifest) => isService(object) && object.metadata.labels?.[federatedLabel] === "member";

function exportedServices({ manifests }: ClusterPlan): ExportedService[] {
  return manifests.filter(isService).flatMap((service) => {
    const label = service.metadata.labels?.[exportLabel];
    if (label !== "true" && label !== "remote-discovery") return [];
    const { name } = service.metadata;
    const { clusterIP, ports } = (service.spec ?? {}) as { clusterIP?: string; ports?: ServicePort[] | null };
    const sets = manifests.filter((object) => isSetOf(object, service));
    return [
      {
        ...{ service, name, namespace: namespaceOf(service), isFlat: label === "remote-discovery" },
        ...{ isHeadless: clusterIP === "None", ports: ports ?? [], sets, pods: sets.flatMap(podsOf) },
      },
    ];
  });
}

function isSetOf(object: Manifest, service: Manifest): boolean {
  return (
    object.kind === "StatefulSet" &&
    namespaceOf(object) === namespaceOf(service) &&
    (object.spec as StatefulSetSpec | undefined)?.serviceName === service.metadata.name
  );
}

function podsOf({ metadata, spec }: Manifest): string[] {
  const { replicas, ordinals } = (spec ?? {}) as StatefulSetSpec;
  const first = ordinals?.start ?? 0;
  return Array.from({ length: replicas ?? 1 }, (_, i) => `${metadata.name}-${first + i}`);
}

/** A label with another value exports nothing, in silence. */
function labelProblems(object: Manifest): string[] {
  const { labels = {}, name } = object.metadata;
  if (!isService(object)) return [];
  return [
    { label: exportLabel, allowed: ["true", "remote-discovery", "false"] },
    { label: federatedLabel, allowed: ["member"] },
  ].flatMap(({ label, allowed }) => {
    const value = labels[label];
    if (value === undefined || allowed.includes(value)) return [];
    const place = placeOf(object, ["metadata", "labels", label]);
    const values = allowed.map((one) => JSON.stringify(one)).join(", ");
    return [`${place}: label ${label} of Service ${name} is "${value}"; allowed: ${values}. Next: edit that line`];
  });
}

/** Pod to pod needs pods that reach each other, and leaves them without names of their own. */
function modeProblems(object: Manifest, manifests: Manifest[], network: Network): string[] {
  const flat = [exportLabel, federatedLabel].find((label) => /^(remote-discovery|member)$/.test(object.metadata.labels?.[label] ?? "")); // prettier-ignore
  if (!isService(object) || flat === undefined) return [];
  const { name, labels = {} } = object.metadata;
  const place = placeOf(object, ["metadata", "labels", flat]);
  const label = `${place}: label ${flat} of Service ${name} is "${labels[flat]}"`;
  if (network === "gateway") {
    return [
      `${label}, which needs pods that reach each other; allowed: only with network flat. ` +
        "Next: pulumi config set network flat",
    ];
  }
  if (flat === exportLabel && manifests.some((set) => isSetOf(set, object))) {
    return [
      `${label}, and it is the service of a StatefulSet, whose pods have names of their own only through the gateway; ` +
        'allowed: "true". Next: edit that line, or label a second Service for these pods',
    ];
  }
  return [];
}

/** Linkerd joins services with equal ports only: the ports of the first member count (service-mirror, federated). */
function memberProblems(clusters: ClusterPlan[]): string[] {
  const first = new Map<string, { cluster: string; ports: string }>();
  return clusters.flatMap(({ name: cluster, manifests }) =>
    manifests.filter(isFederated).flatMap((service) => {
      const { ports } = (service.spec ?? {}) as { ports?: ServicePort[] | null };
      const own = (ports ?? []).map(({ port, protocol }) => `${port}/${protocol ?? "TCP"}`).sort().join(", "); // prettier-ignore
      const key = `${namespaceOf(service)}/${service.metadata.name}`;
      const known = first.get(key);
      if (!known) first.set(key, { cluster, ports: own });
      if (!known || known.ports === own) return [];
      return [
        `${placeOf(service)}: the federated Service ${key} of ${cluster} has ports ${own}, but that of ${known.cluster} has ` +
          `${known.ports}; allowed: equal ports. Next: edit one of them`,
      ];
    }),
  );
}

/**
 * A headless service gives out its pods' addresses, so the port that a client names reaches the pod as it is. Through
 * the gateway another targetPort answers 502 (edge-26.8.3, run on 2026-11-27).
 */
function portProblems({ service, name, isFlat, isHeadless, ports, sets }: ExportedService): string[] {
  if (!isHeadless || isFlat || sets.length === 0) return [];
  return ports.flatMap(({ port, targetPort }, i) => {
    const number = typeof targetPort === "string" ? containerPort(sets, targetPort) : targetPort;
    if (number === undefined || number === null || number === port) return [];
    const place = placeOf(service, ["spec", "ports", i]);
    return [
      `${place}: port ${port} of the headless Service ${name} has targetPort ${targetPort}; allowed: the same number, ` +
        `because the pods' own names lead to the pods. Next: port: ${number}`,
    ];
  });
}

function containerPort(sets: Manifest[], name: string): number | undefined {
  const containers = sets.flatMap(({ spec }) => (spec as StatefulSetSpec).template?.spec?.containers ?? []);
  return containers.flatMap(({ ports }) => ports ?? []).find((port) => port.name === name)?.containerPort;
}

function lengthProblems({ name, service }: Mirror): string[] {
  if (name.length <= 63) return [];
  return [
    `${placeOf(service)}: a mirror would be named ${name} (${name.length} characters); allowed: at most 63, which is ` +
      "Kubernetes' limit. Next: shorten its name, or the cluster's",
  ];
}

/** Two mirrors of one name in one cluster, or a mirror with the name of a Service that is there. */
function collisions(source: ClusterPlan, links: LinkPlan[]): string[] {
  const taken = new Map(
    source.manifests
      .filter(isService)
      .map((service) => [`${namespaceOf(service)}/${service.metadata.name}`, describe(service, source.name)]),
  );
  return mirrorsIn(source, links).flatMap((mirror) => {
    const { name, namespace, service, target } = mirror;
    const key = `${namespace}/${name}`;
    const other = taken.get(key);
    // The services of one name in all clusters make one federated service.
    const mine =
      isFederated(service) && name.endsWith("-federated") ? `the federated ${key}` : describe(service, target);
    taken.set(key, mine);
    if (other === undefined || other === mine) return [];
    const clash = `${placeOf(service)}: in cluster ${source.name} the mirror of ${mine} would be named ${key}`;
    return [`${clash}, and ${other} has that name there; allowed: different names. Next: rename one of them`];
  });
}

function describe(service: Manifest, cluster: string): string {
  return `Service ${service.metadata.name} of ${cluster} (${placeOf(service)})`;
}
