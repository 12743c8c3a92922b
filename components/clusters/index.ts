import * as pulumi from "@pulumi/pulumi";
import type { ClusterPlan, Plan } from "../../config/plan";
import type { ExistingSettings, Settings } from "../../config/settings";
import type { Capabilities, Cluster } from "./cluster";
import { ExistingCluster, existingCapabilities } from "./existing";
import { K3dCluster, K3dNetwork } from "./k3d";
import { KwokCluster } from "./kwok";
import { kubernetesVersion } from "./lifecycle/spec";

export interface ClustersArgs {
  plan: Plan;
  settings: Settings;
  /** The owner of the local clusters. Example: `stack dev of /home/alice/mesh` */
  owner: string;
}

/** Makes the plan's clusters, side by side, with the runtime that the settings name. */
export function makeClusters(name: string, args: ClustersArgs, opts: pulumi.ComponentResourceOptions): Cluster[] {
  const { plan } = args;
  const make = makers[plan.runtime](name, args, opts);
  return plan.clusters.map((cluster) => make(`${name}-${cluster.name}`, cluster));
}

type Maker = (name: string, cluster: ClusterPlan) => Cluster;

const makers: Record<
  Settings["runtime"],
  (name: string, args: ClustersArgs, opts: pulumi.ComponentResourceOptions) => Maker
> = {
  k3d: (name, { plan, settings, owner }, opts) => {
    const network = new K3dNetwork(`${name}-network`, plan.network, { owner }, opts);
    return (clusterName, cluster) => {
      const ends = plan.links.map(({ source, target }) => [source, target]).filter((pair) => pair.includes(cluster));
      const peers = [...new Set(ends.flat())].filter((end) => end !== cluster);
      return new K3dCluster(clusterName, cluster, { owner, network, options: settings, peers }, opts);
    };
  },
  kwok:
    (_, { owner }, opts) =>
    (clusterName, cluster) =>
      new KwokCluster(clusterName, cluster, { owner }, opts),
  existing:
    (_, { settings }, opts) =>
    (clusterName, cluster) =>
      new ExistingCluster(clusterName, cluster, settings.existing[cluster.name] as ExistingSettings, opts),
};

/**
 * The capabilities of a cluster. A local cluster need not exist yet.
 *
 * @throws RefusedError when an existing cluster does not answer
 */
export function capabilitiesOf(cluster: ClusterPlan, settings: Settings): Promise<Capabilities> {
  const existing = settings.existing[cluster.name];
  if (settings.runtime === "existing" && existing) return existingCapabilities(cluster.name, existing);
  // Example: rancher/k3s:v1.34.4-k3s1
  const [, version] = (settings.runtime === "k3d" && /:(v\d+\.\d+\.\d+)/.exec(settings.nodeImage ?? "")) || [];
  return Promise.resolve({ kubernetesVersion: version ?? kubernetesVersion, apiVersions: [] });
}
