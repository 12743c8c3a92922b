import { isIP } from "node:net";
import { lookup } from "node:dns/promises";
import {
  controlPlane,
  extension,
  found,
  kubectl,
  linksOf,
  named,
  type ClusterClient,
  type Endpoints,
  type KubernetesObject,
  type Link,
  type Pod,
  type Service,
} from "./api";
import {
  always,
  no,
  yes,
  type ClusterCheck,
  type Finding,
  type LinkCheck,
  type LinkContext,
  type Repair,
} from "./check";
import {
  addresses,
  clusterLabel,
  discoveryLabel,
  endpointMirrors,
  exportLabel,
  gatewayLabel,
  headlessOfLabel,
  isHeadless,
  mirroredLabel,
  mirrorName,
} from "./mirroredServices";
import { federatedMembers } from "./federatedMembers";
import { remoteDiscovery } from "./remoteDiscovery";
import { controllerOf, replace, restartController } from "./restart";
import { lastingOf } from "./testNamespaces";
import { noInjector, noMirror } from "./simulated";
import { allOpen, until, View } from "./watch";

/** A fault must last this long to count, because mirrors are always some tenths of a second behind. */
const settleSeconds = 5;

/**
 * If the controller saw an exported service before its pods, the mirror stays empty until the next refresh: linkerd2's
 * service-mirror/main.go, endpoint-refresh-period, 1 minute.
 */
const refreshSeconds = 75;

interface Damage {
  what: string;
  object: string;
  repair?: Repair;
}

/** Live views of both ends of a link. */
class Ends {
  private constructor(
    readonly context: LinkContext,
    readonly link: Link | undefined,
    readonly gateway: ReadonlySet<string>,
    private readonly namespaces: View<KubernetesObject>,
    private readonly sourceServices: View<Service>,
    private readonly sourceEndpoints: View<Endpoints>,
    private readonly targetServices: View<Service>,
    private readonly targetEndpoints: View<Endpoints>,
  ) {}

  static async open(context: LinkContext): Promise<Ends> {
    const { source, target } = context;
    const [links, gateway] = await Promise.all([linksOf(source), liveGateway(target)]);
    const views = await allOpen([
      View.open<KubernetesObject>(source, "/api/v1/namespaces", () => source.core.listNamespace()),
      View.open<Service>(source, "/api/v1/services", () => source.core.listServiceForAllNamespaces()),
      View.open<Endpoints>(source, "/api/v1/endpoints", () => source.core.listEndpointsForAllNamespaces()),
      View.open<Service>(target, "/api/v1/services", () => target.core.listServiceForAllNamespaces()),
      View.open<Endpoints>(target, "/api/v1/endpoints", () => target.core.listEndpointsForAllNamespaces()),
    ]);
    return new Ends(
      context,
      links.find(({ metadata }) => metadata.name === target.name),
      gateway,
      ...views,
    );
  }

  get views(): View<KubernetesObject>[] {
    const { namespaces, sourceServices, sourceEndpoints, targetServices, targetEndpoints } = this;
    return [namespaces, sourceServices, sourceEndpoints, targetServices, targetEndpoints];
  }

  async close(): Promise<void> {
    await Promise.all(this.views.map((view) => view.close()));
  }

  /** Names of the source's namespaces, without those of tests. */
  private lasting(): Set<string | undefined> {
    return new Set(lastingOf(this.namespaces.items()).map(({ metadata }) => metadata?.name));
  }

  /** The services that this link mirrors through the gateway: roots, endpoint mirrors and clusterIP mirrors. */
  mirrors(): Service[] {
    const namespaces = this.lasting();
    return this.sourceServices.items().filter(({ metadata }) => {
      const labels = metadata?.labels ?? {};
      const ours = labels[mirroredLabel] === "true" && labels[clusterLabel] === this.context.target.name;
      return (
        ours &&
        labels[gatewayLabel] === undefined &&
        labels[discoveryLabel] === undefined &&
        namespaces.has(metadata?.namespace)
      );
    });
  }

  roots(): Service[] {
    return this.mirrors().filter(
      (service) => isHeadless(service) && service.metadata?.labels?.[headlessOfLabel] === undefined,
    );
  }

  endpointsOf({ metadata }: Service): Endpoints | undefined {
    return find(this.sourceEndpoints.items(), metadata?.namespace, metadata?.name);
  }

  /** Services that should have a mirror: exported, with a port, and with a namespace of the same name in the source. */
  exported(): Service[] {
    const namespaces = this.lasting();
    return this.targetServices.items().filter(
      ({ metadata, spec }) =>
        metadata?.labels?.[exportLabel] === "true" &&
        (spec?.ports ?? []).length > 0 &&
        namespaces.has(metadata.namespace) &&
        // Like linkerd2, leave out mirrors: a mirror of a mirror would loop.
        metadata.labels[mirroredLabel] === undefined,
    );
  }

  exportedAs(namespace: string | undefined, name: string): Service | undefined {
    const service = find(this.targetServices.items(), namespace, name);
    return service?.metadata?.labels?.[exportLabel] === undefined ? undefined : service;
  }

  ready({ metadata }: Service): { host?: string; ip: string }[] {
    return addresses(find(this.targetEndpoints.items(), metadata?.namespace, metadata?.name)).filter(
      ({ ready }) => ready,
    );
  }

  mirrorOf({ metadata }: Service, name: string): Service | undefined {
    return find(this.mirrors(), metadata?.namespace, mirrorName(name, this.context.target.name));
  }
}

function find<T extends KubernetesObject>(items: readonly T[], namespace?: string, name?: string): T | undefined {
  return items.find(({ metadata }) => metadata?.namespace === namespace && metadata?.name === name);
}

/** The present addresses of the target's gateway. */
async function liveGateway(target: ClusterClient): Promise<Set<string>> {
  const service = await found(target.core.readNamespacedService({ namespace: extension, name: "linkerd-gateway" }));
  const ingress = service?.status?.loadBalancer?.ingress ?? [];
  const ips = await Promise.all(
    ingress.map(async ({ ip, hostname }) => {
      if (ip !== undefined) return [ip];
      return hostname === undefined ? [] : (await lookup(hostname, { all: true })).map(({ address }) => address);
    }),
  );
  return new Set(ips.flat());
}

const restartOf = ({ source, link }: LinkContext): Repair => restartController(source, link.target);

function remove(cluster: ClusterClient, service: Service): Repair {
  const namespace = service.metadata?.namespace ?? "";
  const name = service.metadata?.name ?? "";
  return {
    does: `${cluster.name}: delete service and endpoints ${namespace}/${name}`,
    key: `${cluster.name}/service/${namespace}/${name}`,
    async run(): Promise<void> {
      await found(cluster.core.deleteNamespacedService({ namespace, name }));
      await found(cluster.core.deleteNamespacedEndpoints({ namespace, name }));
    },
  };
}

function restartPod(cluster: ClusterClient, pod: Pod): Repair | undefined {
  const { namespace, name, uid } = pod.metadata ?? {};
  // Nothing would recreate a bare pod.
  if (!controllerOf(pod)) return undefined;
  return {
    does: `${cluster.name}: delete pod ${namespace}/${name} (its owner makes another, with a proxy)`,
    key: `${cluster.name}/pod/${uid}`,
    run: (deadline) => replace(cluster, pod, deadline),
  };
}

/** A check that watches both ends of a link until they have no fault, or until its deadline. */
function linkDamage(
  id: string,
  title: string,
  healthy: (ends: Ends) => string,
  look: (ends: Ends) => Damage[],
  next: (context: LinkContext) => string,
  deadlineSeconds = settleSeconds,
): LinkCheck {
  return {
    id,
    group: "damage",
    scope: "link",
    title,
    deadlineSeconds,
    applies: noMirror,
    async run(context): Promise<Finding> {
      const ends = await Ends.open(context);
      try {
        const describe = (): string | undefined =>
          look(ends)
            .map(({ what }) => what)
            .join("; ") || undefined;
        const still = await until(ends.views, describe, context.deadline);
        const damages = look(ends);
        if (still === undefined || damages.length === 0) {
          return yes(
            healthy(ends),
            ends.mirrors().map((mirror) => named(context.source, "service", mirror)),
          );
        }
        return finding(damages, next(context));
      } finally {
        await ends.close();
      }
    },
  };
}

function finding(damages: Damage[], next: string): Finding {
  const repairs = damages.flatMap(({ repair }) => (repair ? [repair] : []));
  return no(
    damages.map(({ what }) => what).join("; "),
    damages.map(({ object }) => object),
    next,
    repairs,
  );
}

const heal = ({ stack }: { stack: { name: string } }): string => `npm run heal -- ${stack.name}`;
const count = (things: readonly unknown[], what: string): string => `${things.length} ${what}`;

/**
 * After the target has started, the mirror's watches need up to half a minute to come back. The gateway's probe needs
 * some seconds more.
 */
const followSeconds = 90;

const stalled: LinkCheck = {
  id: "damage.stalled",
  group: "damage",
  scope: "link",
  title: "Does the mirror follow what happens in the target?",
  deadlineSeconds: followSeconds,
  applies: noMirror,
  async run(context): Promise<Finding> {
    const testNamespace = await context.testNamespaces.of(context.link, context.deadline);
    const fault = await testNamespace.beacon(context.deadline);
    const objects = [
      named(context.source, "deployment", {
        metadata: { namespace: extension, name: `controller-${context.link.target}` },
      }),
    ];
    if (fault === undefined) {
      return yes("a service that was exported just now is mirrored", objects, testNamespace.remark());
    }
    return no(fault, objects, heal(context), [restartOf(context)]);
  },
};

const notReady = linkDamage(
  "damage.headless-not-ready",
  "Are the addresses of headless mirrors ready?",
  (ends) => `${count(ends.roots(), "headless mirrors")}, all their addresses ready`,
  (ends) =>
    ends.roots().flatMap((root): Damage[] => {
      const down = addresses(ends.endpointsOf(root)).filter(({ ready }) => !ready);
      if (down.length === 0) return [];
      return [
        {
          what: `${root.metadata?.name} lists ${down.map(({ host, ip }) => host ?? ip).join(", ")} as not ready: the names do not resolve`,
          object: named(ends.context.source, "endpoints", root),
          repair: restartOf(ends.context),
        },
      ];
    }),
  heal,
);

const overwritten = linkDamage(
  "damage.headless-overwritten",
  "Do headless mirrors list only endpoint mirrors?",
  (ends) => `${count(ends.roots(), "headless mirrors")}, all addresses are endpoint mirrors'`,
  (ends) =>
    ends.roots().flatMap((root): Damage[] => {
      const here = endpointMirrors(ends.mirrors(), root.metadata?.name ?? "").filter(
        (mirror) => mirror.metadata?.namespace === root.metadata?.namespace,
      );
      const own = new Set(here.map(({ spec }) => spec?.clusterIP));
      const foreign = addresses(ends.endpointsOf(root)).filter(({ ip }) => !own.has(ip));
      if (foreign.length === 0) return [];
      const what = foreign.map(({ ip }) => (ends.gateway.has(ip) ? `the gateway's ${ip}` : ip)).join(", ");
      return [
        {
          what: `${root.metadata?.name} lists ${what}: per-pod names do not resolve (was an annotation of the exported service changed?)`,
          object: named(ends.context.source, "endpoints", root),
          repair: restartOf(ends.context),
        },
      ];
    }),
  heal,
);

const unmirrored = linkDamage(
  "damage.unmirrored",
  "Is everything that is exported mirrored?",
  (ends) => `${count(ends.exported(), "exported services")}, all mirrored with their pods`,
  (ends) =>
    ends.exported().flatMap((service): Damage[] => {
      const ready = ends.ready(service);
      // Linkerd mirrors a headless service once it has an address. The address decides which kind of mirror it gets.
      if (ready.length === 0) return [];
      const root = ends.mirrorOf(service, service.metadata?.name ?? "");
      const hosts = root && isHeadless(root) ? ready.flatMap(({ host }) => (host === undefined ? [] : [host])) : [];
      const missing = [
        ...(root ? [] : [service.metadata?.name ?? ""]),
        ...hosts.filter((host) => !ends.mirrorOf(service, host)),
      ];
      return missing.map((name) => ({
        what: `${service.metadata?.namespace}/${mirrorName(name, ends.context.target.name)} is missing`,
        object: named(ends.context.target, "service", service),
        repair: restartOf(ends.context),
      }));
    }),
  heal,
);

const empty = linkDamage(
  "damage.empty",
  "Does every mirror of a service with ready pods have an address?",
  (ends) => `${count(ends.mirrors(), "mirrors")}, none of them empty`,
  (ends) =>
    ends.exported().flatMap((service): Damage[] => {
      const mirror = ends.mirrorOf(service, service.metadata?.name ?? "");
      if (!mirror || ends.ready(service).length === 0 || addresses(ends.endpointsOf(mirror)).length > 0) return [];
      return [
        {
          what: `${mirror.metadata?.namespace}/${mirror.metadata?.name} has no address`,
          object: named(ends.context.source, "endpoints", mirror),
          repair: restartOf(ends.context),
        },
      ];
    }),
  heal,
  refreshSeconds,
);

const ghosts = linkDamage(
  "damage.ghosts",
  "Does every mirror still have its exported service?",
  (ends) => `${count(ends.mirrors(), "mirrors")}, all of services that are exported`,
  (ends) =>
    ends.mirrors().flatMap((mirror): Damage[] => {
      const { name = "", namespace, labels } = mirror.metadata ?? {};
      const suffix = `-${ends.context.target.name}`;
      const root = labels?.[headlessOfLabel];
      const service = ends.exportedAs(namespace, (root ?? name).slice(0, -suffix.length));
      const host = name.slice(0, -suffix.length);
      const alive = service && (root === undefined || ends.ready(service).some((address) => address.host === host));
      if (alive) return [];
      const why = service ? `pod ${host} is not ready in the target` : "nothing is exported behind it";
      return [
        {
          what: `${namespace}/${name}: ${why}`,
          object: named(ends.context.source, "service", mirror),
          repair: remove(ends.context.source, mirror),
        },
      ];
    }),
  heal,
);

const staleGateway = linkDamage(
  "damage.stale-gateway",
  "Do mirrors point at the gateway's present address?",
  (ends) => `all point at ${[...ends.gateway].join(", ") || "nothing, and the gateway has no address"}`,
  (ends) => {
    const { context, link, gateway } = ends;
    if (gateway.size === 0) return [];
    // A restarted controller resolves a host name again. An IP address needs a new Link.
    const byName = (link?.spec.gatewayAddress ?? "").split(",").some((address) => isIP(address) === 0);
    return ends
      .mirrors()
      .filter((mirror) => !isHeadless(mirror))
      .flatMap((mirror): Damage[] => {
        const stale = addresses(ends.endpointsOf(mirror)).filter(({ ip }) => !gateway.has(ip));
        if (stale.length === 0) return [];
        return [
          {
            what: `${mirror.metadata?.namespace}/${mirror.metadata?.name} points at ${stale.map(({ ip }) => ip).join(", ")}, the gateway is at ${[...gateway].join(", ")}`,
            object: named(context.source, "endpoints", mirror),
            repair: byName ? restartOf(context) : undefined,
          },
        ];
      });
  },
  ({ stack }) => `npm start -- ${stack.name} --refresh`,
);

const orphans: ClusterCheck = {
  id: "damage.orphans",
  group: "damage",
  scope: "cluster",
  title: "Does every mirror have its link?",
  deadlineSeconds: 15,
  applies: always,
  async run({ cluster, stack }): Promise<Finding> {
    const links = new Set((await linksOf(cluster)).map(({ spec }) => spec.targetClusterName));
    const labelSelector = `${mirroredLabel}=true,${clusterLabel},!${gatewayLabel}`;
    const { items } = await cluster.core.listServiceForAllNamespaces({ labelSelector });
    const gone = items.filter(({ metadata }) => !links.has(metadata?.labels?.[clusterLabel] ?? ""));
    if (gone.length === 0)
      return yes(
        count(items, "mirrors, all of links that exist"),
        [...links].map((name) => `${cluster.name} link ${name}`),
      );
    return finding(
      gone.map((service) => ({
        what: `${service.metadata?.namespace}/${service.metadata?.name}: there is no link ${service.metadata?.labels?.[clusterLabel]}`,
        object: named(cluster, "service", service),
        repair: remove(cluster, service),
      })),
      heal({ stack }),
    );
  },
};

const injectAnnotation = "linkerd.io/inject";
const injected = ["enabled", "ingress"];

/** Pods without a proxy that should be meshed by their own annotation or their namespace's. */
export function withoutProxy(pods: readonly Pod[], inject: ReadonlyMap<string, string | undefined>): Pod[] {
  return pods.filter(({ metadata, spec, status }) => {
    const wanted = metadata?.annotations?.[injectAnnotation] ?? inject.get(metadata?.namespace ?? "");
    if (!injected.includes(wanted ?? "") || spec?.hostNetwork || metadata?.deletionTimestamp) return false;
    if (status?.phase === "Succeeded" || status?.phase === "Failed") return false;
    // The proxy is an init container where it runs as a native sidecar.
    return ![...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(({ name }) => name === "linkerd-proxy");
  });
}

const proxyless: ClusterCheck = {
  id: "damage.proxyless",
  group: "damage",
  scope: "cluster",
  title: "Does every pod that is to be meshed have a proxy?",
  deadlineSeconds: 15,
  applies: noInjector,
  async run({ cluster, stack }): Promise<Finding> {
    const [{ items: namespaces }, { items: pods }] = await Promise.all([
      cluster.core.listNamespace(),
      cluster.core.listPodForAllNamespaces(),
    ]);
    const inject = new Map(
      lastingOf(namespaces).map(({ metadata }) => [metadata?.name ?? "", metadata?.annotations?.[injectAnnotation]]),
    );
    const bare = withoutProxy(
      pods.filter(({ metadata }) => inject.has(metadata?.namespace ?? "")),
      inject,
    );
    const objects = [...inject]
      .filter(([, value]) => injected.includes(value ?? ""))
      .map(([name]) => `${cluster.name} namespace ${name}`);
    if (bare.length === 0) return yes("no pod lacks a proxy", objects);
    const unowned = bare.some((pod) => !restartPod(cluster, pod));
    return finding(
      bare.map((pod) => ({
        what: `${pod.metadata?.namespace}/${pod.metadata?.name} runs without a proxy`,
        object: named(cluster, "pod", pod),
        repair: restartPod(cluster, pod),
      })),
      unowned ? kubectl(cluster, `-n ${controlPlane} get pods`) : heal({ stack }),
    );
  },
};

/**
 * Faults that break a mesh without anyone noticing. `linkerd multicluster check` misses the first three.
 *
 * `stalled` comes first. The mirrors of a target that was started just now look whole at first, and break when the
 * source's controller hears from it again.
 */
export const damageChecks = [
  stalled,
  notReady,
  overwritten,
  unmirrored,
  empty,
  ghosts,
  staleGateway,
  orphans,
  proxyless,
  remoteDiscovery,
  federatedMembers,
];
