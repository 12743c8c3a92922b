import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterPlan } from "../../config/plan";
import type { Cluster } from "./cluster";
import { kwokLoadBalancer, type LocalSpec } from "./lifecycle/spec";
import { localCluster } from "./local";

export function kwokSpec({ physicalName, context, ports }: ClusterPlan): LocalSpec {
  return { name: physicalName, context, ports };
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
  readonly apiServerForPeers: pulumi.Output<string>;
  readonly gatewayForPeers = kwokLoadBalancer;
  readonly clusterResource: command.local.Command;

  constructor(
    name: string,
    readonly plan: ClusterPlan,
    args: { owner: string },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("mesh:index:KwokCluster", name, {}, opts);
    ({
      kubeconfig: this.kubeconfig,
      provider: this.provider,
      clusterResource: this.clusterResource,
    } = localCluster(name, { runtime: "kwok", spec: kwokSpec(plan), owner: args.owner }, { parent: this }));
    this.apiServerForPeers = pulumi.output(`https://127.0.0.1:${plan.ports[0]}`);
    this.registerOutputs();
  }
}
