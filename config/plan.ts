import { createHash } from "node:crypto";
import type { Manifest } from "./manifests";
import { hostsOf, type Mirror, mirrorProblems, mirrorsIn, mirrorsOf } from "./mirrors";
import { missingNamespaces } from "./namespaces";
import { clustersIn, type Ranges, rangesAt } from "./ranges";
import { physicalNameOf } from "./physicalName";
import { type Slots, slotsOf } from "./slots";
import type { MadeClusters } from "./state";
import { stackNameProblem } from "./stackName";
import type { ChartSource, Runtime, Settings } from "./settings";
import { RefusedError } from "./settings";

/** One cluster, with its name in the mesh and its physical name. */
export interface ClusterPlan {
  /** Name in the mesh, the same for every developer. Example: `east` */
  name: string;
  /** DNS domain, and Linkerd's trust domain. Example: `east.cluster.local` */
  domain: string;
  /** Physical name (of the k3d or kwok cluster). Example: `east` in stack dev, `alice-east` in stack alice */
  physicalName: string;
  /** Context of the user's kubeconfig. Example: `k3d-east` */
  context: string;
  /** Host ports of the local runtimes: first the API server's, then what the runtime needs, then published ones. */
  ports: number[];
  /** k3d with a flat network: its own ranges of addresses. Default: those of k3s, the same in each cluster */
  ranges?: Ranges;
  /** The objects in manifests/<name>/. */
  manifests: Manifest[];
  /** Names of the clusters that this one mirrors, with one link and one controller each. */
  targets: string[];
}

/** One directed edge. A link lives in the source and is named after the target. */
export interface LinkPlan {
  source: ClusterPlan;
  target: ClusterPlan;
}

/** Everything an update will create, by name. Pure: the same stack and settings give the same plan on every machine. */
export interface Plan {
  stack: string;
  runtime: Runtime;
  /** The Docker network shared by k3d's clusters. Example: `multicluster-example` */
  network: string;
  clusters: ClusterPlan[];
  /** The place of each local cluster. The state keeps it for the next update. */
  slots: Slots;
  links: LinkPlan[];
  charts: ChartSource;
  /** Mirror services of each link, with their namespace unless it is `default`. Example: `{"east->west": ["web-west"]}` */
  mirrors: Record<string, string[]>;
  /** Namespaces to make in each cluster, besides those of its manifests. Example: `{ east: ["shop"], west: [] }` */
  namespaces: Record<string, string[]>;
  /** DNS names by which the source reaches the target's StatefulSet pods and their service, by link. */
  hosts: Record<string, string[]>;
}

/** Number of host ports per cluster, by runtime. kwok: API server, etcd, its peer, two controllers, kwok itself. */
const portsPerCluster: Record<Runtime, number> = { k3d: 1, kwok: 6, existing: 0 };

/**
 * Plans a stack.
 *
 * @param made the clusters that the stack has: they keep their places, and with them their ports and ranges
 * @throws RefusedError when the stack's name leads to names that a runtime or Kubernetes would refuse
 * @example makePlan("alice", settings).clusters[0].physicalName // "alice-east"
 */
export function makePlan(stack: string, settings: Settings, made: MadeClusters = { ports: {} }): Plan {
  const perCluster = portsPerCluster[settings.runtime];
  const base = settings.portBase ?? defaultPortBase(stack);
  const problems: string[] = [];
  const contextOf = (name: string) => `${settings.runtime}-${physicalNameOf(stack, name)}`;
  const others = Object.entries(made.ports).filter(([context]) => !context.startsWith(`${settings.runtime}-`));
  const foreign = new Set(others.flatMap(([, ports]) => ports));
  const portsAt = (slot: number) => Array.from({ length: perCluster }, (_, port) => base + slot * perCluster + port);
  const slots = slotsOf(
    settings.runtime === "existing" ? [] : settings.clusters.map(contextOf),
    made.slots ?? slotsByPorts(made.ports, base, perCluster),
    (slot) => portsAt(slot).some((port) => foreign.has(port)),
  );

  const clusters = settings.clusters.map((name): ClusterPlan => {
    const existing = settings.runtime === "existing" ? settings.existing[name] : undefined;
    const slot = slots[contextOf(name)] ?? 0;
    return {
      name,
      domain: existing ? (existing.domain ?? "cluster.local") : `${name}.${settings.orgDomain}`,
      physicalName: physicalNameOf(stack, name),
      context: existing?.context ?? contextOf(name),
      ports: [...portsAt(slot), ...(settings.ports[name] as string[]).map(publishedPort)],
      ...(settings.runtime === "k3d" && settings.network === "flat" && { ranges: rangesAt(settings.flatRange, slot) }),
      manifests: settings.manifests[name] ?? [],
      targets: settings.links.filter((link) => link.source === name).map((link) => link.target),
    };
  });

  const local = settings.runtime === "existing" ? [] : clusters;
  const badName =
    local.length > 0 &&
    stackNameProblem(
      stack,
      local.map(({ name }) => name),
    );
  if (badName) problems.push(badName);
  for (const { name, ports } of local.filter((cluster) => cluster.ports.some((port) => port > 65_535))) {
    problems.push(
      `portBase is ${base}; allowed: low enough that cluster ${name}'s ports ${ports.join(", ")} are below 65536. ` +
        "Next: pulumi config set portBase <value>",
    );
  }

  const needed = Math.max(0, ...Object.values(slots)) + 1;
  const enough = clustersIn(settings.flatRange);
  if (settings.runtime === "k3d" && settings.network === "flat" && needed > enough) {
    problems.push(
      `flatRange is ${JSON.stringify(settings.flatRange)}; allowed: a range for ${needed} clusters (this one is enough ` +
        `for ${enough}; a new cluster takes the place of a removed one in the update after it). ` +
        "Next: pulumi config set flatRange <value>",
    );
  }

  problems.push(...publishedProblems(settings.ports, clusters, perCluster));

  const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  const links = settings.links.flatMap(({ source, target }): LinkPlan[] => {
    const [from, to] = [byName.get(source), byName.get(target)];
    return from && to ? [{ source: from, target: to }] : [];
  });
  problems.push(...mirrorProblems(clusters, links, settings.network));
  if (problems.length > 0) throw new RefusedError(problems);

  return {
    stack,
    runtime: settings.runtime,
    network: networkOf(stack),
    clusters,
    slots,
    links,
    charts: settings.charts,
    mirrors: Object.fromEntries(
      links.map(({ source, target }) => [`${source.name}->${target.name}`, mirrorsOf(target).map(shownMirror)]),
    ),
    namespaces: Object.fromEntries(
      clusters.map((source) => [source.name, missingNamespaces(source.manifests, mirrorsIn(source, links))]),
    ),
    hosts: Object.fromEntries(
      links.map(({ source, target }) => [`${source.name}->${target.name}`, hostsOf(source, target)]),
    ),
  };
}

/** The places of clusters whose state has their ports only. They were made with the present base, if they fit. */
function slotsByPorts(made: MadeClusters["ports"], base: number, perCluster: number): Slots {
  const slots = Object.entries(made).map(([context, [first = 0]]) => [context, (first - base) / perCluster] as const);
  return Object.fromEntries(slots.filter(([, slot]) => Number.isInteger(slot) && slot >= 0 && slot < 64));
}

/** Example: 8080 of `8080:80` */
const publishedPort = (pair: string) => Number.parseInt(pair, 10);

/** Each port of this machine leads to one place. */
function publishedProblems(published: Settings["ports"], clusters: ClusterPlan[], perCluster: number): string[] {
  const users = new Map(clusters.flatMap(({ name, ports }) => ports.slice(0, perCluster).map((port) => [port, name])));
  return Object.entries(published).flatMap(([name, pairs]) =>
    pairs.flatMap((pair, i) => {
      const user = users.get(publishedPort(pair));
      users.set(publishedPort(pair), name);
      if (user === undefined) return [];
      const setting = `ports.${name}[${i}]`;
      return [
        `${setting} is ${JSON.stringify(pair)}; allowed: a port that nothing else uses (cluster ${user} does). ` +
          `Next: pulumi config set --path '${setting}' <value>`,
      ];
    }),
  );
}

const shownMirror = ({ name, namespace }: Mirror) => (namespace === "default" ? name : `${namespace}/${name}`);

/** The Docker network of a stack's k3d clusters. */
export function networkOf(stack: string): string {
  return stack === "dev" ? "multicluster-example" : `${stack}-multicluster-example`;
}

/** The demo's ports in stack dev. Other stacks get a block of 64 below the systems' ephemeral ports. */
function defaultPortBase(stack: string): number {
  if (stack === "dev") return 6440;
  const block = createHash("sha256").update(stack).digest().readUInt32BE(0) % 340;
  return 10_240 + 64 * block;
}
