import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterPlan } from "../../config/plan";

/**
 * The mesh's view of a cluster. Only the runtimes (k3d.ts, kwok.ts, existing.ts) know how it is made.
 */
export interface Cluster extends pulumi.ComponentResource {
  readonly plan: ClusterPlan;
  /** For the host: admin credentials and an address that the host reaches. A secret. */
  readonly kubeconfig: pulumi.Output<string>;
  readonly provider: k8s.Provider;
  /** URL of the API server as the other clusters' pods reach it. Example: `https://k3d-west-serverlb:6443` */
  readonly apiServerForPeers: pulumi.Output<string>;
  /** Gateway host for other clusters' Links, if known beforehand. Default: the address of the gateway Service. */
  readonly gatewayForPeers?: string;
  /** The cluster resource. Deleting it deletes the cluster and everything in it. */
  readonly clusterResource?: pulumi.CustomResource;
}

/** A cluster that the stack makes and deletes as a whole. */
export type LocalCluster = Cluster & { readonly clusterResource: pulumi.CustomResource };

export function isLocal(cluster: Cluster): cluster is LocalCluster {
  return cluster.clusterResource !== undefined;
}

/** Options for everything in a cluster: its provider, and no individual deletions when the cluster is deleted. */
export function inCluster(cluster: Cluster, parent: pulumi.Resource): pulumi.ComponentResourceOptions {
  const { provider, clusterResource } = cluster;
  return { parent, provider, ...(clusterResource && { deletedWith: clusterResource }) };
}

/**
 * The provider of one cluster.
 *
 * Without a `clusterIdentifier` a new API address or CA replaces the provider and every object under it. It must be a
 * plain string, and change exactly when the cluster becomes another one.
 * https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/#clusteridentifier_nodejs
 */
export function clusterProvider(
  name: string,
  args: k8s.ProviderArgs & { clusterIdentifier: string },
  opts: pulumi.ResourceOptions,
): k8s.Provider {
  // Mutable, so that a rotation changes certificates in place. Otherwise the provider would delete and recreate them,
  // and pods would find none in between.
  return new k8s.Provider(name, { ...args, enableConfigMapMutable: true, enableSecretMutable: true }, opts);
}

/** Helm's `.Capabilities`: charts may depend on them. */
export interface Capabilities {
  /** Example: `v1.34.4` */
  kubernetesVersion: string;
  /** API groups with their versions, besides those that Helm knows. Example: `["v1", "policy/v1"]` */
  apiVersions: string[];
}
