/** Description of a cluster for the programs in this folder, passed as JSON in MESH_CLUSTER. */
export interface LocalSpec {
  /** Physical name. Example: `alice-east` */
  name: string;
  /** Context in the user's kubeconfig. Example: `k3d-alice-east` */
  context: string;
  /** Host ports, the API server's first. */
  ports: number[];
}

export interface K3dSpec extends LocalSpec {
  /** Cluster domain. Example: `east.cluster.local` */
  domain: string;
  /** Docker network. */
  network: string;
  /** Image of the nodes. Default: the one k3d was released with. */
  nodeImage?: string;
  /** More options for k3s server. Default: none */
  k3sArgs?: string[];
  /** Images of the local Docker engine to import. */
  images: string[];
  /** URL of a registry (and path in it) that every image is pulled through. */
  registryMirror?: string;
}

/** Kubernetes version of local clusters, unless binaries on PATH or the node image have another one. */
export const kubernetesVersion = "v1.34.4";

/** Address of every LoadBalancer Service in a kwok cluster, from the range for documentation (RFC 5737). */
export const kwokLoadBalancer = "192.0.2.1";

/**
 * Reads a variable of the environment.
 *
 * @throws Error when it is not set: the graph runs these programs, not a user
 */
export function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`environment variable ${name} is not set`);
  return value;
}
