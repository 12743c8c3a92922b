/** What the programs in this folder are told of a cluster, as JSON in MESH_CLUSTER. */
export interface LocalSpec {
  /** Name outside the mesh. Example: `alice-east` */
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
  /** Images of the local Docker engine to import. */
  images: string[];
  /** URL of a registry (and path in it) that every image is pulled through. */
  registryMirror?: string;
}

/** Kubernetes of the local clusters, where neither binaries on PATH nor the image of their nodes are another one. */
export const kubernetesVersion = "v1.34.4";

/** What every LoadBalancer Service of a kwok cluster is given. From the range kept for documentation (RFC 5737). */
export const kwokLoadBalancer = "192.0.2.1";

/**
 * Reads a variable of the environment.
 *
 * @throws Error when it is not there: these programs are run by the graph, not by hand
 */
export function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is expected in the environment`);
  return value;
}
