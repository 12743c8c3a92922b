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
  /** Ranges of the pods' and services' addresses. Default: those of k3s */
  ranges?: { pods: string; services: string };
  /** Number of k3s servers. Default: 1 */
  servers?: number;
  /** Number of further nodes. Default: 0 */
  agents?: number;
  /** Ports of this machine, and of LoadBalancer Services. Default: none. Example: `["8080:80"]` */
  published?: string[];
  /** More options for k3s server. Default: none */
  k3sArgs?: string[];
  /** Images of the local Docker engine to import. */
  images: string[];
  /** URL of a registry (and path in it) that every image is pulled through. */
  registryMirror?: string;
  /** Whether images are pulled through the image cache of this machine, if there is no `registryMirror`. Default: true */
  imageCache?: boolean;
  /** Certificates of private authorities. The path starts from the project's directory. Default: none */
  caFile?: { path: string; sha256: string };
}

/** The names of the nodes, which are containers. Example: `["k3d-east-server-0", "k3d-east-agent-0"]` */
export function nodesOf({ name, servers = 1, agents = 0 }: Pick<K3dSpec, "name" | "servers" | "agents">): string[] {
  const names = (role: string, count: number) => Array.from({ length: count }, (_, i) => `k3d-${name}-${role}-${i}`);
  return [...names("server", servers), ...names("agent", agents)];
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
