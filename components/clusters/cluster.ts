import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/** A cluster that the stack makes and deletes as a whole. */
export interface LocalCluster {
  /** Its name outside the mesh. Example: `alice-east` */
  physicalName: string;
  /** The cluster resource. Deleting it deletes the cluster and everything in it. */
  resource: pulumi.CustomResource;
}

/**
 * The mesh's view of a cluster. Only the runtimes (k3d.ts, kwok.ts, existing.ts) know how it is made.
 */
export interface Cluster extends pulumi.ComponentResource {
  /** For the host: admin credentials and an address that the host reaches. A secret. */
  readonly kubeconfig: pulumi.Output<string>;
  readonly provider: k8s.Provider;
  /** URL of the API server as the other clusters' pods reach it. Example: `https://k3d-west-serverlb:6443` */
  readonly apiServer: pulumi.Output<string>;
  /** Gateway host for other clusters' Links, if known beforehand. Default: the address of the gateway Service. */
  readonly gateway?: pulumi.Output<string>;
  readonly local?: LocalCluster;
}

/** The arguments of every component that lives in one cluster. */
export interface InClusterArgs {
  /** Admin credentials for the cluster, and an address that this machine reaches. A secret. */
  kubeconfig: pulumi.Input<string>;
  /** @internal The programs that the graph runs find a local cluster's kubeconfig by its name. */
  local?: LocalCluster;
}

/** Options for everything in a cluster: its provider, and no individual deletions when the cluster is deleted. */
export function inCluster(
  { provider, local }: Pick<Cluster, "provider" | "local">,
  parent: pulumi.Resource,
): pulumi.ComponentResourceOptions {
  return { parent, provider, ...(local && { deletedWith: local.resource }) };
}

/**
 * The options of a component in a cluster, with a kubernetes provider: the one given to it or to its parent, else one
 * made from its kubeconfig.
 *
 * @param name of the provider to make
 */
export function withProvider(
  name: string,
  kubeconfig: pulumi.Input<string>,
  opts: pulumi.ComponentResourceOptions = {},
): pulumi.ComponentResourceOptions {
  const given = [opts.provider, ...Object.values(opts.providers ?? {})];
  if (given.some((one) => k8s.Provider.isInstance(one)) || opts.parent?.getProvider("kubernetes::")) return opts;
  const provider = clusterProvider(name, { kubeconfig, clusterIdentifier: name }, { parent: opts.parent });
  return pulumi.mergeOptions(opts, { providers: [provider] });
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
