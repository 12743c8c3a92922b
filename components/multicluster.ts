import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type GatewayPorts, gatewayPorts } from "../config/gatewayPorts";
import type { ClusterPlan } from "../config/plan";
import { installChart } from "./chart";
import { mergedValues } from "./chartValues";
import type { Cluster } from "./clusters/cluster";
import { inCluster } from "./clusters/cluster";
import type { Linkerd, LinkerdRendering } from "./linkerd";
import { trustAnnotation } from "./linkerd";
import type { Manifest } from "../config/manifests";
import type { Objects } from "./objects";
import { renderChart } from "./rendering";

export const multiclusterNamespace = "linkerd-multicluster";

/** Renders the chart of `new Multicluster(name, ...)`. */
export function renderMulticluster(
  name: string,
  { paths, cluster, trust, settings, capabilities }: LinkerdRendering,
): Promise<Manifest[]> {
  const restart = { [trustAnnotation]: trust.dataPlane };
  const { probe } = gatewayPorts(settings.chartValues);
  return renderChart({
    chart: paths["linkerd-multicluster"],
    release: `${name}-multicluster`,
    namespace: multiclusterNamespace,
    capabilities,
    values: mergedValues(
      "linkerd-multicluster",
      {
        identityTrustDomain: cluster.domain,
        // The namespace already has the metadata that this job would add, and hooks are not run.
        createNamespaceMetadataJob: false,
        // The chart makes the account and its token side by side. Kubernetes deletes a token that comes first, and the
        // update fails (pulumi/pulumi-kubernetes#4396). Each link makes its own account: link.ts.
        remoteMirrorServiceAccount: false,
        controllers: cluster.targets.map((target) => ({ link: { ref: { name: target } } })),
        // The controllers probe through Services of their own, whose port is that of the other clusters' gateways.
        controllerDefaults: { enableHeadlessServices: true, gateway: { probe: { port: probe } } },
        // podAnnotations reach every pod but the gateway's.
        podAnnotations: restart,
        // Two, so that neither a restart nor the loss of one cuts the cluster off.
        gateway: { replicas: 2, deploymentAnnotations: restart },
      },
      settings.chartValues["linkerd-multicluster"],
    ),
  });
}

export interface MulticlusterArgs {
  cluster: Cluster;
  linkerd: Linkerd;
  /** The rendered chart. */
  chart: Manifest[];
  gatewayPorts: GatewayPorts;
}

/**
 * Linkerd's multicluster extension in one cluster: the gateway that receives other clusters' requests, and one
 * controller per link in this cluster.
 *
 * @example new Multicluster("mesh-east", { cluster: east, linkerd, chart, gatewayPorts }, { parent: mesh });
 */
export class Multicluster extends pulumi.ComponentResource {
  /** Created first: the accounts of remote clusters need nothing else. */
  readonly namespace: k8s.core.v1.Namespace;
  /** The gateway address in Links to this cluster. */
  readonly gatewayAddress: pulumi.Output<string>;
  /** The gateway's ports in Links to this cluster. */
  readonly gatewayPorts: GatewayPorts;

  constructor(name: string, args: MulticlusterArgs, opts: { parent: pulumi.Resource }) {
    const { cluster, linkerd } = args;
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
    const chart = installChart(
      `${name}-multicluster`,
      { objects: args.chart },
      // Its pods are meshed and its policies validated: both need a control plane that is ready.
      { parent: this, dependsOn: [this.namespace, linkerd] },
    );
    this.gatewayPorts = args.gatewayPorts;
    this.gatewayAddress = pulumi.output(cluster.gatewayForPeers ?? gatewayAddress(chart, cluster.plan));
    this.registerOutputs({ gatewayAddress: this.gatewayAddress });
  }
}

/** The address that the cluster's load balancer gave the gateway: its host name (AWS) or IP. */
function gatewayAddress(chart: Objects, { name, context }: ClusterPlan): pulumi.Output<string> {
  const service = `kubectl --context ${context} -n ${multiclusterNamespace} get service linkerd-gateway`;
  const status = chart.statusOf("Service", "linkerd-gateway") as
    pulumi.Output<k8s.types.output.core.v1.ServiceStatus> | undefined;
  return pulumi.output(status).apply((known) => {
    const [first] = known?.loadBalancer?.ingress ?? [];
    const address = first?.hostname ?? first?.ip;
    if (address) return address;
    const next = `Next: ${service}, or pulumi config set --path existing.${name}.gateway <address>`;
    throw new pulumi.RunError(`the gateway of cluster ${name} got no address from a load balancer. ${next}`);
  });
}
