import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterPlan } from "../../config/plan";

/**
 * What the mesh knows of a cluster, whoever made it. Only the runtimes (k3d.ts, kwok.ts, existing.ts) know how.
 */
export interface Cluster extends pulumi.ComponentResource {
  readonly plan: ClusterPlan;
  /** For the host: admin credentials and an address that the host reaches. A secret. */
  readonly kubeconfig: pulumi.Output<string>;
  readonly provider: k8s.Provider;
  /** URL of the API server as the other clusters' pods reach it. Example: `https://k3d-west-serverlb:6443` */
  readonly apiServerForPeers: pulumi.Output<string>;
  /** Gateway host for the Links of other clusters, where it is known beforehand; else the gateway Service tells. */
  readonly gatewayForPeers?: string;
  /** The resource whose end is the cluster's end; whatever lives in the cluster goes with it. */
  readonly lifeline?: pulumi.CustomResource;
}

/** A cluster that the stack makes, as a whole, and that goes as a whole. */
export type LocalCluster = Cluster & { readonly lifeline: pulumi.CustomResource };

export function isLocal(cluster: Cluster): cluster is LocalCluster {
  return cluster.lifeline !== undefined;
}

/** Options of everything that lives in a cluster: its provider, and no deletion one by one when the cluster goes. */
export function inCluster(cluster: Cluster, parent: pulumi.Resource): pulumi.ComponentResourceOptions {
  return { parent, provider: cluster.provider, ...(cluster.lifeline && { deletedWith: cluster.lifeline }) };
}

/**
 * The provider of one cluster.
 *
 * Without a `clusterIdentifier` a new API address or CA replaces the provider and every object under it. It must be a
 * plain string, and another one exactly when the cluster is another one.
 * https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/#clusteridentifier_nodejs
 */
export function clusterProvider(
  name: string,
  args: k8s.ProviderArgs & { clusterIdentifier: string },
  opts: pulumi.ResourceOptions,
): k8s.Provider {
  // Mutable: a rotation changes certificates in place. The provider would delete and make them anew otherwise, and pods
  // would find none in between.
  return new k8s.Provider(name, { ...args, enableConfigMapMutable: true, enableSecretMutable: true }, opts);
}

/** What charts may choose by: Helm's `.Capabilities`. */
export interface Capabilities {
  /** Example: `v1.34.4` */
  kubernetesVersion: string;
  /** Groups with their versions, besides those that Helm knows. Example: `["v1", "policy/v1"]` */
  apiVersions: string[];
}
