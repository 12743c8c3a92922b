import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { checkArgs } from "../../config/arguments";
import { root } from "../../lib/paths";
import { type Cluster, inCluster, type LocalCluster } from "./cluster";
import { type K3dSpec, nodesOf } from "./lifecycle/spec";
import { defaultOwner, localCluster } from "./local";
import { podRoutes } from "./podRoutes";
import { commandDefaults, program } from "./program";

/** Options of a k3d cluster. A change of any but `developmentImages` and `owner` makes the cluster anew. */
export interface K3dOptions {
  /** Port of this machine for its API server, from 1024 to 65535. Example: 6440 */
  apiPort: number;
  /** Its name outside the mesh: a-z, 0-9 and -, at most 32 characters. Default: the component's name */
  physicalName?: string;
  /** Image of the nodes. Default: the one k3d was released with. Example: `rancher/k3s:v1.34.4-k3s1` */
  nodeImage?: string;
  /** Number of k3s servers: 1, 3 or 5. Default: 1 */
  servers?: number;
  /** Number of further nodes, from 0 to 20. Default: 0 */
  agents?: number;
  /** Ports of this machine (on 127.0.0.1) that lead to LoadBalancer Services. Default: none. Example: `["8080:80"]` */
  publishedPorts?: string[];
  /** More options for k3s server. Default: none. Example: `["--node-label=disk=ssd"]` */
  k3sArgs?: string[];
  /** Images of the local Docker engine to import when the cluster is made. Default: none */
  images?: string[];
  /** Images of the local Docker engine to import whenever one of their names changes. Default: none */
  developmentImages?: string[];
  /** URL of a registry, with a path if needed, that every image is pulled through. Default: none */
  registryMirror?: string;
  /**
   * Whether images are pulled through the image cache of this machine, which all clusters share: docs/images.md. Never
   * with a `registryMirror`. Default: true
   */
  imageCache?: boolean;
  /**
   * File with certificates (PEM) of private authorities that the nodes trust when they pull images. A relative path
   * starts from the package's directory. Default: none
   */
  caFile?: string;
  /** Range of its pods' addresses; needs `serviceRange`. Default: that of k3s. Example: `10.64.0.0/18` */
  podRange?: string;
  /** Range of its services' addresses; needs `podRange`. Default: that of k3s. Example: `10.64.64.0/18` */
  serviceRange?: string;
  /** Who may delete it. Default: the stack and its project. Example: `stack dev of /home/alice/mesh` */
  owner?: string;
}

export interface K3dClusterArgs extends K3dOptions {
  /** DNS domain, and Linkerd's trust domain. Default: `<component's name>.cluster.local` */
  domain?: string;
  /** Docker network that exists already. Default: one of its own, `<physicalName>-network` */
  dockerNetwork?: string;
  /** Nodes of other clusters to whose pods its own pods need routes. Only with `podRange`. Default: none */
  peerNodes?: string[];
  /** @internal The component that makes the Docker network. */
  network?: K3dNetwork;
}

/** The name of a k3d cluster outside the mesh, its domain and network, with the defaults of a component. */
function named(name: string, { physicalName = name, domain = `${name}.cluster.local`, dockerNetwork }: K3dClusterArgs) {
  return { physicalName, domain, network: dockerNetwork ?? `${physicalName}-network` };
}

/** Everything k3d needs to make a cluster. */
export function k3dSpec(name: string, args: K3dClusterArgs): K3dSpec {
  const { physicalName, domain, network } = named(name, args);
  const { apiPort, nodeImage, images = [], registryMirror, imageCache = true, k3sArgs = [], caFile } = args;
  const { servers = 1, agents = 0, publishedPorts = [], podRange, serviceRange } = args;
  const ports = [apiPort, ...publishedPorts.map((pair) => Number.parseInt(pair, 10))];
  return {
    name: physicalName,
    context: `k3d-${physicalName}`,
    ...{ ports, domain, network, nodeImage, images, registryMirror },
    // Any change of the spec replaces the cluster, so a field with its default must not be there.
    ...(podRange && serviceRange && { ranges: { pods: podRange, services: serviceRange } }),
    ...(servers !== 1 && { servers }),
    ...(agents !== 0 && { agents }),
    ...(publishedPorts.length > 0 && { published: publishedPorts }),
    ...(k3sArgs.length > 0 && { k3sArgs }),
    ...(!imageCache && !registryMirror && { imageCache }),
    ...(caFile && { caFile: { path: caFile, sha256: digestOf(caFile) } }),
  };
}

function digestOf(file: string): string {
  return createHash("sha256")
    .update(fs.readFileSync(path.resolve(root, file), "utf8"))
    .digest("hex");
}

/**
 * A k3d cluster. https://k3d.io
 *
 * @throws RefusedError for faulty arguments
 * @example const east = new K3dCluster("east", { apiPort: 6440 });
 */
export class K3dCluster extends pulumi.ComponentResource implements Cluster {
  /** Admin credentials, and an address that this machine reaches. A secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** URL of its API server as pods on the same Docker network reach it. */
  readonly apiServer: pulumi.Output<string>;
  /** Addresses of its gateway for Links, separated by commas. */
  readonly gateway: pulumi.Output<string>;
  /** @internal */
  readonly provider: k8s.Provider;
  /** @internal */
  readonly local: LocalCluster;

  constructor(name: string, args: K3dClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArgs("K3dCluster", name, args);
    super("mesh:index:K3dCluster", name, {}, opts);
    const { physicalName, domain, network } = named(name, args);
    const { owner = defaultOwner(), dockerNetwork, developmentImages: images, peerNodes = [] } = args;
    const spec = k3dSpec(name, args);
    const made = dockerNetwork ? args.network : new K3dNetwork(`${name}-network`, network, { owner }, { parent: this });
    const { kubeconfig, provider, clusterResource } = localCluster(
      name,
      { runtime: "k3d", spec, owner, ...(images && { images }) },
      { parent: this, dependsOn: made ? [made] : [] },
    );
    this.kubeconfig = kubeconfig;
    this.provider = provider;
    this.local = { physicalName, resource: clusterResource };
    freshDns(name, domain, inCluster(this, this));
    if (spec.ranges && peerNodes.length > 0) podRoutes(name, peerNodes, inCluster(this, this));
    // Names, not addresses: Docker may assign others after a restart, and k3d makes the names resolve in pods.
    // k3d adds the first name to the API server's certificate.
    this.apiServer = pulumi.output(`https://k3d-${physicalName}-serverlb:6443`);
    // k3s' load balancer answers on every node. A Link takes several addresses: https://linkerd.io/2/tasks/multicluster
    this.gateway = pulumi.output(nodesOf(spec).join(","));
    this.registerOutputs();
  }
}

/**
 * Makes the cluster's DNS answer for its own domain with a time to live of zero.
 *
 * By default CoreDNS lets clients keep an answer for five seconds. A restarting pod leaves its headless service and the
 * mirror at once, so a client may use an address that is gone. Of the requests to a headless name during an anchor
 * rotation, 7 of 334 failed with the five seconds, and 1 of 548 without.
 * k3s imports this ConfigMap: https://docs.k3s.io/networking/networking-services#coredns
 */
function freshDns(name: string, domain: string, opts: pulumi.CustomResourceOptions): void {
  const server = `${domain}:53 {
    errors
    kubernetes ${domain} {
        pods insecure
        ttl 0
    }
    loadbalance
}
`;
  new k8s.core.v1.ConfigMap(
    `${name}-dns`,
    { metadata: { name: "coredns-custom", namespace: "kube-system" }, data: { "mesh.server": server } },
    opts,
  );
}

/**
 * The Docker network that the clusters share. It is made separately: two `k3d cluster create` side by side both fail if
 * the network does not exist yet, and leave it twice.
 */
export class K3dNetwork extends pulumi.ComponentResource {
  constructor(
    componentName: string,
    readonly name: string,
    args: { owner: string },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("mesh:index:K3dNetwork", componentName, {}, opts);
    const file = "components/clusters/lifecycle/k3d.ts";
    new command.local.Command(
      componentName,
      {
        create: program(file, "create-network"),
        update: program(file, "update"),
        delete: program(file, "delete-network"),
        environment: { MESH_NETWORK: name, MESH_OWNER: args.owner },
        triggers: [name],
        ...commandDefaults(),
      },
      { parent: this, deleteBeforeReplace: true },
    );
    this.registerOutputs();
  }
}
