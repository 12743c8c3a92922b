import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ChartPaths } from "../charts";
import type { TrustPlan } from "../plan";
import { type Chart, installChart } from "./chart";
import type { Cluster } from "./clusters/cluster";
import { inCluster } from "./clusters/cluster";
import type { Linkerd } from "./linkerd";
import { trustAnnotation } from "./linkerd";

export const multiclusterNamespace = "linkerd-multicluster";

export interface MulticlusterArgs {
  cluster: Cluster;
  linkerd: Linkerd;
  charts: ChartPaths;
  trust: TrustPlan;
}

/**
 * Linkerd's multicluster extension in one cluster: the gateway that other clusters' requests come in by, and one
 * controller for each link that lives here.
 *
 * @example new Multicluster("mesh-east", { cluster: east, linkerd, charts, trust }, { parent: mesh });
 */
export class Multicluster extends pulumi.ComponentResource {
  /** Made at once: the accounts of remote clusters need no more than it. */
  readonly namespace: k8s.core.v1.Namespace;
  /** What Links to this cluster name as their gateway. */
  readonly gatewayAddress: pulumi.Output<string>;

  constructor(name: string, args: MulticlusterArgs, opts: { parent: pulumi.Resource }) {
    const { cluster, linkerd, charts, trust } = args;
    super("mesh:index:Multicluster", name, {}, inCluster(cluster, opts.parent));
    this.namespace = new k8s.core.v1.Namespace(
      `${name}-multicluster`,
      {
        metadata: {
          name: multiclusterNamespace,
          labels: { "linkerd.io/extension": "multicluster", "pod-security.kubernetes.io/enforce": "privileged" },
        },
      },
      { parent: this },
    );
    const restart = { [trustAnnotation]: trust.dataPlane };
    const chart = installChart(
      `${name}-multicluster`,
      {
        cluster,
        chart: charts["linkerd-multicluster"],
        namespace: multiclusterNamespace,
        values: {
          identityTrustDomain: cluster.plan.domain,
          // The namespace above carries what this job would add, and hooks are not run.
          createNamespaceMetadataJob: false,
          // The chart makes the account and its token side by side; a token that comes first is deleted at once and
          // fails the update (pulumi/pulumi-kubernetes#4396). Each link brings an account of its own: link.ts.
          remoteMirrorServiceAccount: false,
          controllers: cluster.plan.targets.map((target) => ({ link: { ref: { name: target } } })),
          controllerDefaults: { enableHeadlessServices: true },
          // podAnnotations reach every pod but the gateway's.
          podAnnotations: restart,
          // Two, so that neither a restart nor the loss of one cuts the cluster off.
          gateway: { replicas: 2, deploymentAnnotations: restart },
        },
      },
      // Its pods are meshed and its policies validated: both need a control plane that is ready.
      { parent: this, dependsOn: [this.namespace, linkerd] },
    );
    this.gatewayAddress =
      cluster.gatewayForPeers === undefined
        ? gatewayAddress(`${name}-gateway`, chart, { parent: this })
        : pulumi.output(cluster.gatewayForPeers);
    this.registerOutputs({ gatewayAddress: this.gatewayAddress });
  }
}

/**
 * The address that the cluster's load balancer gave the gateway: its host name (AWS) or IP.
 *
 * The Service is read by its id, which is known once the chart's objects stand. The chart hands out its children as well,
 * but the SDK then reads every one of them back in every preview: PULUMI_DISABLE_RESOURCE_REFERENCES, which the npm scripts
 * set, makes ids of them.
 */
function gatewayAddress(name: string, chart: Chart, opts: pulumi.CustomResourceOptions) {
  const id = chart.resources.apply((children: (pulumi.CustomResource | string)[]) =>
    pulumi
      .all(children.map((child) => (typeof child === "string" ? child : child.id)))
      .apply((ids) => ids.find((id) => id === `${multiclusterNamespace}/linkerd-gateway`) ?? ""),
  );
  const { status } = k8s.core.v1.Service.get(name, id, opts);
  return status.loadBalancer.ingress.apply((ingresses) => {
    const address = ingresses?.[0]?.hostname ?? ingresses?.[0]?.ip;
    if (!address) throw new pulumi.RunError("linkerd-gateway has no address: does the cluster have load balancers?");
    return address;
  });
}
