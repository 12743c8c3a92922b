import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { checkoutImages } from "../../config/checkout";
import type { ClusterPlan } from "../../config/plan";
import type { Settings } from "../../config/settings";
import { type Cluster, inCluster } from "./cluster";
import { type K3dSpec, nodesOf } from "./lifecycle/spec";
import { localCluster } from "./local";
import { podRoutes } from "./podRoutes";
import { program } from "./program";

/** Settings of k3d clusters. */
export type K3dOptions = Pick<
  Settings,
  "charts" | "nodeImage" | "images" | "registryMirror" | "caFile" | "k3sArgs" | "servers" | "agents" | "ports"
>;

export function k3dSpec(plan: ClusterPlan, network: K3dNetwork, options: K3dOptions): K3dSpec {
  const { physicalName, context, ports, domain } = plan;
  const { nodeImage, images, registryMirror, k3sArgs, caFile } = options;
  const [servers, agents] = [options.servers[plan.name], options.agents[plan.name]];
  const published = options.ports[plan.name] as string[];
  return {
    ...{ name: physicalName, context, ports, domain, network: network.name, nodeImage, images, registryMirror },
    // Any change of the spec replaces the cluster, so a field with its default must not be there.
    ...(plan.ranges && { ranges: plan.ranges }),
    ...(servers !== 1 && { servers }),
    ...(agents !== 0 && { agents }),
    ...(published.length > 0 && { published }),
    ...(k3sArgs.length > 0 && { k3sArgs }),
    ...(caFile && { caFile }),
  };
}

/** A k3d cluster on the stack's Docker network. https://k3d.io */
export class K3dCluster extends pulumi.ComponentResource implements Cluster {
  readonly kubeconfig: pulumi.Output<string>;
  readonly provider: k8s.Provider;
  readonly apiServerForPeers: pulumi.Output<string>;
  readonly gatewayForPeers: string;
  readonly clusterResource: command.local.Command;

  constructor(
    name: string,
    readonly plan: ClusterPlan,
    args: { owner: string; network: K3dNetwork; options: K3dOptions; peers: ClusterPlan[] },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("mesh:index:K3dCluster", name, {}, opts);
    const { network, owner, options } = args;
    const spec = k3dSpec(plan, network, options);
    ({
      kubeconfig: this.kubeconfig,
      provider: this.provider,
      clusterResource: this.clusterResource,
    } = localCluster(
      name,
      { runtime: "k3d", spec, owner, ...("checkout" in options.charts && { images: checkoutImages(options.charts) }) },
      { parent: this, dependsOn: [network] },
    ));
    freshDns(name, plan.domain, inCluster(this, this));
    const peerNodes = args.peers.flatMap((peer) => nodesOf(k3dSpec(peer, network, options)));
    if (plan.ranges && peerNodes.length > 0) podRoutes(name, peerNodes, inCluster(this, this));
    // Names, not addresses: Docker may assign others after a restart, and k3d makes the names resolve in pods.
    // k3d adds the first name to the API server's certificate.
    this.apiServerForPeers = pulumi.output(`https://k3d-${plan.physicalName}-serverlb:6443`);
    // k3s' load balancer answers on every node. A Link takes several addresses: https://linkerd.io/2/tasks/multicluster
    this.gatewayForPeers = nodesOf(spec).join(",");
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
        addPreviousOutputInEnv: false,
      },
      { parent: this, deleteBeforeReplace: true },
    );
    this.registerOutputs();
  }
}
