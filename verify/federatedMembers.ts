import { named, type ClusterClient, type Service } from "./api";
import { no, yes, type ClusterCheck, type Finding, type Repair } from "./check";
import { discoveryLabel, federatedLabel, federatedName, isHeadless, mirroredLabel } from "./mirroredServices";
import { restartController, restartLocalMirror } from "./restart";
import { noLocalMirror } from "./simulated";
import { targetsOf } from "./stack";
import { lastingOf } from "./testNamespaces";
import { allOpen, until, View } from "./watch";

/** The annotation with the name of the cluster's own service. Its counterpart has the same name as `discoveryLabel`. */
export const localDiscovery = "multicluster.linkerd.io/local-discovery";

/** A member of a federated service that its annotations do not name. */
export interface Lack {
  namespace: string;
  /** Name of the federated service. */
  federated: string;
  /** The cluster whose pods are missing. */
  cluster: string;
}

const isMember = ({ metadata, spec }: Service): boolean =>
  metadata?.labels?.[federatedLabel] === "member" &&
  metadata.labels[mirroredLabel] === undefined &&
  // Linkerd refuses a headless member.
  !isHeadless({ spec });

/**
 * The members that the federated services of a cluster lack.
 *
 * @param own name of that cluster
 * @param services the services of that cluster and of all clusters it mirrors, by cluster
 * @param lasting the namespaces of that cluster to look at
 */
export function lacks(
  own: string,
  services: Readonly<Record<string, readonly Service[]>>,
  lasting: ReadonlySet<string>,
): Lack[] {
  const annotations = new Map(
    (services[own] ?? []).map(({ metadata }) => [`${metadata?.namespace}/${metadata?.name}`, metadata?.annotations]),
  );
  return Object.entries(services).flatMap(([cluster, all]) =>
    all.filter(isMember).flatMap(({ metadata: { namespace = "", name = "" } = {} }): Lack[] => {
      const federated = federatedName(name);
      const { [localDiscovery]: local, [discoveryLabel]: remote = "" } =
        annotations.get(`${namespace}/${federated}`) ?? {};
      const joined = cluster === own ? local === name : remote.split(",").includes(`${name}@${cluster}`);
      return joined || !lasting.has(namespace) ? [] : [{ namespace, federated, cluster }];
    }),
  );
}

const servicesOf = (cluster: ClusterClient): Promise<View<Service>> =>
  View.open<Service>(cluster, "/api/v1/services", () => cluster.core.listServiceForAllNamespaces());

/**
 * Every mirror of a cluster writes the federated services: `linkerd-local-service-mirror` the cluster's own member, and
 * each `controller-<link>` the link's. A mirror changes its own copy of the service before it sends the change. If the
 * API server refuses it, because another mirror was faster, the next attempt finds its copy already changed and sends
 * nothing: linkerd2, service-mirror/cluster_watcher.go, handleFederatedServiceJoin. A restarted mirror reads the service
 * anew and adds its member.
 */
export const federatedMembers: ClusterCheck = {
  id: "damage.federated-members",
  group: "damage",
  scope: "cluster",
  title: "Does every federated service have all its members?",
  // Mirrors are some tenths of a second behind.
  deadlineSeconds: 10,
  applies: noLocalMirror,
  async run({ cluster, clusters, stack, deadline }): Promise<Finding> {
    const linked = [cluster, ...targetsOf(stack, cluster.name).flatMap((name) => clusters[name] ?? [])];
    const namespaces = lastingOf((await cluster.core.listNamespace()).items);
    const lasting = new Set(namespaces.map(({ metadata }) => metadata?.name ?? ""));
    const views = await allOpen(linked.map(servicesOf));
    try {
      const look = (): Lack[] =>
        lacks(
          cluster.name,
          Object.fromEntries(linked.map(({ name }, index) => [name, views[index]?.items() ?? []])),
          lasting,
        );
      const describe = (): string | undefined => look().map(said).join("; ") || undefined;
      const still = await until(views, describe, deadline);
      const left = look();
      if (still === undefined || left.length === 0) {
        const federated = (views[0]?.items() ?? []).filter(({ metadata }) => isFederated(metadata?.annotations));
        return yes(
          `${federated.length} federated services, all with every member`,
          federated.map((service) => named(cluster, "service", service)),
        );
      }
      return no(
        left.map(said).join("; "),
        left.map(({ namespace, federated }) => named(cluster, "service", { metadata: { namespace, name: federated } })),
        `npm run heal -- ${stack.name}`,
        left.map((lack) => repair(cluster, lack)),
      );
    } finally {
      await Promise.all(views.map((view) => view.close()));
    }
  },
};

const said = ({ namespace, federated, cluster }: Lack): string =>
  `${namespace}/${federated} lacks the pods of ${cluster}`;

const isFederated = (annotations: Record<string, string> = {}): boolean =>
  localDiscovery in annotations || discoveryLabel in annotations;

const repair = (own: ClusterClient, { cluster }: Lack): Repair =>
  cluster === own.name ? restartLocalMirror(own) : restartController(own, cluster);
