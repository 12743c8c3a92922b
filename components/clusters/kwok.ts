import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster, LocalCluster } from "./cluster";
import { kwokLoadBalancer, type LocalSpec } from "./lifecycle/spec";
import { defaultOwner, localCluster } from "./local";

/** Options of a simulated cluster. */
export interface KwokOptions {
  /** Six ports of this machine: API server, etcd, its peer, two controllers, kwok itself. */
  ports: number[];
  /** Its name outside the mesh: a-z, 0-9 and -, at most 32 characters. Default: the component's name */
  physicalName?: string;
  /** Who may delete it. Default: the stack and its project. Example: `stack dev of /home/alice/mesh` */
  owner?: string;
}

/** Everything kwok needs to make a cluster. */
export function kwokSpec(name: string, { physicalName = name, ports }: KwokOptions): LocalSpec {
  return { name: physicalName, context: `kwok-${physicalName}`, ports };
}

/**
 * A simulated cluster: a real API server, controllers and scheduler, with nodes and pods simulated by kwok.
 *
 * Real API servers apply and check the whole graph, in seconds and without Docker. No traffic flows.
 * https://kwok.sigs.k8s.io
 */
export class KwokCluster extends pulumi.ComponentResource implements Cluster {
  readonly kubeconfig: pulumi.Output<string>;
  readonly provider: k8s.Provider;
  readonly apiServer: pulumi.Output<string>;
  readonly gateway = pulumi.output(kwokLoadBalancer);
  readonly local: LocalCluster;

  constructor(name: string, args: KwokOptions, opts?: pulumi.ComponentResourceOptions) {
    super("mesh:index:KwokCluster", name, {}, opts);
    const { owner = defaultOwner() } = args;
    const spec = kwokSpec(name, args);
    const { kubeconfig, provider, clusterResource } = localCluster(
      name,
      { runtime: "kwok", spec, owner },
      { parent: this },
    );
    this.kubeconfig = kubeconfig;
    this.provider = provider;
    this.local = { physicalName: spec.name, resource: clusterResource };
    this.apiServer = pulumi.output(`https://127.0.0.1:${spec.ports[0]}`);
    this.registerOutputs();
  }
}
