import type { Service } from "../verify/api";
import { unavailability } from "../verify/deployments";
import {
  exportLabel,
  federatedLabel,
  federatedName,
  isHeadless,
  mirroredLabel,
  mirrorName,
} from "../verify/mirroredServices";
import { isReady } from "../verify/pods";
import type { Stack } from "../verify/stack";
import type { ClusterFacts, FactsOf } from "./facts";
import type { ExportedService, LinkStatus, Mirror, Mode } from "./model";

const modes: [string, string, Mode][] = [
  [exportLabel, "true", "gateway"],
  [exportLabel, "remote-discovery", "flat"],
  [federatedLabel, "member", "federated"],
];

/** Every exported service of every cluster, with a mirror for each link that leads there. */
export function exportedServices(stack: Stack, facts: FactsOf, links: LinkStatus[]): ExportedService[] {
  return Object.keys(stack.clusters).flatMap((cluster) => {
    const there = facts(cluster);
    if (!there) return [];
    const sources = links.filter(({ target }) => target === cluster);
    return there.services.flatMap((service) =>
      modes
        .filter(([label, value]) => service.metadata?.labels?.[label] === value)
        .map(([, , mode]) => exported({ cluster, service, mode, there, sources, stack, facts })),
    );
  });
}

interface Exporting {
  cluster: string;
  service: Service;
  mode: Mode;
  there: ClusterFacts;
  /** The links that lead to the cluster. */
  sources: LinkStatus[];
  stack: Stack;
  facts: FactsOf;
}

function exported(exporting: Exporting): ExportedService {
  const { cluster, service, mode, there, sources } = exporting;
  const { namespace = "default", name = "" } = service.metadata ?? {};
  const ports = (service.spec?.ports ?? []).map(({ port }) => port);
  // Pods have names of their own behind a headless service that is mirrored through the gateway.
  const hasNames = mode === "gateway" && isHeadless(service) && ports.length > 0;
  const found = hasNames ? (there.pods.get(`${namespace}/${name}`) ?? []) : [];
  const pods = found
    .filter(({ spec }) => spec?.hostname)
    .map((pod) => ({ name: pod.metadata?.name ?? "", isReady: isReady(pod) }))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const mirrors = sources.flatMap((link) => [
    mirror(exporting, link, ports),
    ...pods.map((pod) => mirror(exporting, link, ports, pod)),
  ]);
  return { cluster, namespace, name, mode, ports, pods, mirrors };
}

function mirror(
  { cluster, service, mode, stack, facts }: Exporting,
  link: LinkStatus,
  ports: number[],
  pod?: { name: string; isReady: boolean },
): Mirror {
  const { namespace = "default", name = "" } = service.metadata ?? {};
  const { source } = link;
  const root = mode === "federated" ? federatedName(name) : mirrorName(name, cluster);
  const own = pod ? mirrorName(pod.name, cluster) : root;
  const zone = `${namespace}.svc.${stack.clusters[source]?.domain}`;
  const host = `${pod ? `${pod.name}.` : ""}${root}.${zone}${ports[0] === undefined ? "" : `:${ports[0]}`}`;
  const mirror = { source, name: own, ...(pod && { pod: pod.name }), host };
  const here = facts(source);
  if (!here) return { ...mirror, state: "unknown", why: `cluster ${source} does not answer` };
  const existing = here.services.find(({ metadata }) => metadata?.name === own && metadata.namespace === namespace);
  if (existing?.metadata?.labels?.[mirroredLabel] === "true") {
    const curl = stack.curl?.find((command) => command.endsWith(` http://${host}`));
    return { ...mirror, state: "exists", ...(curl && { curl }) };
  }
  if (isHeadless(service) && ports.length === 0)
    return { ...mirror, state: "skipped", why: "Linkerd skips headless services without ports" };
  if (here.isSimulated) return { ...mirror, state: "simulated", why: "no service mirror runs on simulated pods" };
  return {
    ...mirror,
    state: "missing",
    why: whyMissing({ here, link, namespace, own, existing, pod }),
  };
}

/** The reasons for which Linkerd skips a service, the most certain first: linkerd2, cluster_watcher.go. */
function whyMissing(missing: {
  here: ClusterFacts;
  link: LinkStatus;
  namespace: string;
  own: string;
  existing?: Service;
  pod?: { name: string; isReady: boolean };
}): string {
  const { here, link, namespace, own, existing, pod } = missing;
  if (!here.namespaces.has(namespace)) return `there is no namespace ${namespace}, and Linkerd makes none`;
  if (existing) return `the name ${own} belongs to a service that is no mirror`;
  if (pod && !pod.isReady) return `pod ${pod.name} is not ready`;
  if (!here.links.some(({ metadata }) => metadata.name === link.target)) return `there is no Link ${link.target}`;
  const controller = here.deployments.find(({ metadata }) => metadata?.name === `controller-${link.target}`);
  const down = controller ? unavailability(controller) : "is missing";
  if (down) return `controller-${link.target} ${down}`;
  return `controller-${link.target} has not made it. Its log says why`;
}
