import type * as pulumi from "@pulumi/pulumi";
import type { Plan } from "../../config/plan";
import type { Settings } from "../../config/settings";
import type { Cluster } from "./cluster";
import { ExistingCluster } from "./existing";
import { K3dCluster, type K3dClusterArgs, K3dNetwork, type K3dOptions } from "./k3d";
import { KwokCluster, type KwokOptions } from "./kwok";
import { defaultOwner } from "./local";

/** The program's plan, and what it was made of. */
export interface ClustersArgs {
  plan: Plan;
  settings: Settings;
  /** The owner of the local clusters. Example: `stack dev of /home/alice/mesh` */
  owner: string;
}

/** How a mesh gets a cluster: with k3d, with kwok, or, without both, by its kubeconfig. */
export interface ClusterSourceArgs {
  /** Makes a k3d cluster. */
  k3d?: K3dOptions;
  /** Makes a simulated cluster. */
  kwok?: KwokOptions;
  /**
   * Of a cluster that exists already: a text that changes exactly when the cluster becomes another one, such as its
   * kubectl context. Default: its name in the mesh
   */
  context?: string;
  /** Of a cluster that exists already: URL of its API server as the other clusters' pods reach it. Default: the kubeconfig's */
  apiServer?: string;
  /** Of a cluster that exists already: host of its gateway. Default: the address of the gateway Service */
  gateway?: string;
}

/** The context of a local cluster in the user's kubeconfig, or what names a cluster that exists already. */
export function contextOf(name: string, { k3d, kwok, context }: ClusterSourceArgs): string | undefined {
  if (k3d) return `k3d-${k3d.physicalName ?? name}`;
  return kwok ? `kwok-${kwok.physicalName ?? name}` : context;
}

/**
 * The Docker network of a mesh's k3d clusters, undefined if it has none.
 *
 * @param name of the mesh
 */
export function sharedNetwork(
  name: string,
  args: { clusters: Record<string, ClusterSourceArgs>; dockerNetwork?: string },
  opts: pulumi.ComponentResourceOptions,
): K3dNetwork | undefined {
  const { clusters, dockerNetwork = `${name}-network` } = args;
  const [first] = Object.values(clusters).flatMap(({ k3d }) => k3d ?? []);
  return first && new K3dNetwork(`${name}-network`, dockerNetwork, { owner: first.owner ?? defaultOwner() }, opts);
}

/**
 * Makes or adopts one cluster of a mesh.
 *
 * @param onNetwork what only a k3d cluster needs to know of its mesh
 */
export function makeCluster(
  name: string,
  args: ClusterSourceArgs & { kubeconfig?: pulumi.Output<string>; context: string },
  onNetwork: Pick<K3dClusterArgs, "domain" | "network" | "dockerNetwork" | "peerNodes">,
  opts: pulumi.ComponentResourceOptions,
): Cluster {
  const { k3d, kwok, kubeconfig, context, apiServer, gateway } = args;
  if (k3d) return new K3dCluster(name, { ...k3d, ...onNetwork }, opts);
  if (kwok) return new KwokCluster(name, kwok, opts);
  if (!kubeconfig) throw new Error("mesh.ts refuses a cluster without k3d, kwok and kubeconfig");
  return new ExistingCluster(name, { kubeconfig, context, apiServer, gateway }, opts);
}
