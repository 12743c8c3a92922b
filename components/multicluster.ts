import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { checkArgs } from "../config/arguments";
import { gatewayPorts } from "../config/gatewayPorts";
import { type Generations, restartsOf } from "../config/trust";
import { installChart } from "./chart";
import { mergedValues } from "./chartValues";
import { type InClusterArgs, type LocalCluster, withProvider } from "./clusters/cluster";
import { serverOf } from "./clusters/existing";
import { type LinkerdParts, trustAnnotation } from "./linkerd";
import type { Objects } from "./objects";
import { plainPart, readyWith, sourcesOf } from "./parts";
import { type ChartArgs, chartObjects, type ChartRequest, commonOf } from "./preparedCharts";

export const multiclusterNamespace = "linkerd-multicluster";

/** What the chart of a Multicluster depends on. */
export interface MulticlusterChartArgs extends Generations, ChartArgs {
  /** DNS domain of the cluster, and its trust domain. Default: `cluster.local` */
  domain?: string;
  /** Names of the clusters that this one mirrors, with a controller for each. Default: none. Example: `["west"]` */
  targets?: string[];
}

/** The chart of `new Multicluster(name, args)`. */
export function multiclusterChart(name: string, args: MulticlusterChartArgs): ChartRequest {
  const { domain = "cluster.local", targets = [], chartValues = {} } = args;
  const restart = { [trustAnnotation]: restartsOf(args).dataPlane };
  const { probe } = gatewayPorts(chartValues);
  return {
    ...commonOf(args),
    chart: "linkerd-multicluster",
    release: `${name}-multicluster`,
    namespace: multiclusterNamespace,
    values: mergedValues(
      "linkerd-multicluster",
      {
        identityTrustDomain: domain,
        // The namespace already has the metadata that this job would add, and hooks are not run.
        createNamespaceMetadataJob: false,
        // The chart makes the account and its token side by side. Kubernetes deletes a token that comes first, and the
        // update fails (pulumi/pulumi-kubernetes#4396). Each link makes its own account: link.ts.
        remoteMirrorServiceAccount: false,
        controllers: targets.map((target) => ({ link: { ref: { name: target } } })),
        // The controllers probe through Services of their own, whose port is that of the other clusters' gateways.
        controllerDefaults: { enableHeadlessServices: true, gateway: { probe: { port: probe } } },
        // podAnnotations reach every pod but the gateway's.
        podAnnotations: restart,
        // Two, so that neither a restart nor the loss of one cuts the cluster off.
        gateway: { replicas: 2, deploymentAnnotations: restart },
      },
      chartValues["linkerd-multicluster"],
    ),
  };
}

export interface MulticlusterArgs extends InClusterArgs, MulticlusterChartArgs {
  /** Name of the cluster in the mesh: a-z, 0-9 and -, at most 20 characters. Example: `east` */
  clusterName: string;
  /** URL of the cluster's API server as the other clusters' pods reach it. Default: the kubeconfig's */
  apiServer?: pulumi.Input<string>;
  /** The output `installed` of the cluster's Linkerd. */
  linkerd: pulumi.Input<LinkerdParts>;
  /** Host of its gateway for other clusters' Links. Default: the address of the gateway Service */
  gateway?: pulumi.Input<string>;
  /** @internal Default: the provider of the component */
  provider?: k8s.Provider;
}

/** One end of a link: what other components need of Linkerd and its extension in a cluster. */
export interface LinkEnd {
  /** Name in the mesh. */
  cluster: pulumi.Input<string>;
  /** DNS domain, and Linkerd's trust domain. */
  domain: pulumi.Input<string>;
  /** Admin credentials, and an address that this machine reaches. A secret. */
  kubeconfig: pulumi.Input<string>;
  /** URL of the API server as the other clusters' pods reach it. */
  apiServer: pulumi.Input<string>;
  /** Namespace of Linkerd, once it is there. */
  linkerdNamespace: pulumi.Input<string>;
  /** True once Linkerd's control plane is ready. */
  linkerdReady: pulumi.Input<boolean>;
  /** Namespace of the extension, once it is there. */
  namespace: pulumi.Input<string>;
  /** True once the extension is ready. */
  ready: pulumi.Input<boolean>;
  /** Host of the gateway. */
  gatewayAddress: pulumi.Input<string>;
  /** Port of the gateway for requests. */
  gatewayPort: pulumi.Input<number>;
  /** Port of the gateway for probes. */
  probePort: pulumi.Input<number>;
  /** @internal */
  provider?: k8s.Provider;
  /** @internal */
  local?: LocalCluster;
}

/**
 * Linkerd's multicluster extension in one cluster: the gateway that receives other clusters' requests, and one
 * controller per link in this cluster.
 *
 * @throws RefusedError for faulty arguments, and when the chart cannot be had or rendered
 * @example
 * new Multicluster("east", { clusterName: "east", kubeconfig, linkerd: linkerd.installed, targets: ["west"] });
 */
export class Multicluster extends pulumi.ComponentResource {
  /** The gateway address in Links to this cluster. */
  readonly gatewayAddress: pulumi.Output<string>;
  /** For the arguments `source` and `target` of MulticlusterLink, and `multicluster` of Workloads. A secret. */
  readonly end: LinkEnd;

  constructor(name: string, args: MulticlusterArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArgs("Multicluster", name, args);
    const objects = chartObjects(multiclusterChart(name, args));
    super("mesh:index:Multicluster", name, {}, withProvider(`${name}-multicluster`, args.kubeconfig, opts));
    const { clusterName, domain = "cluster.local", kubeconfig, apiServer, linkerd, chartValues = {} } = args;
    // Created first: the accounts of remote clusters need nothing else.
    const namespace = new k8s.core.v1.Namespace(
      `${name}-multicluster`,
      {
        metadata: {
          name: multiclusterNamespace,
          labels: { "linkerd.io/extension": "multicluster", "pod-security.kubernetes.io/enforce": "privileged" },
        },
      },
      { parent: this },
    );
    const linkerdReady = plainPart(linkerd, ({ ready }) => ready);
    const afterLinkerd = sourcesOf(linkerdReady);
    const chart = installChart(
      `${name}-multicluster`,
      // Linkerd's webhooks look at pods, services and policies.
      { objects, after: { others: afterLinkerd, pods: afterLinkerd } },
      { parent: this, dependsOn: [namespace] },
    );
    this.gatewayAddress = pulumi.output(args.gateway ?? gatewayAddress(chart, clusterName));
    const ports = gatewayPorts(chartValues);
    this.end = {
      cluster: clusterName,
      domain,
      kubeconfig: pulumi.secret(kubeconfig),
      apiServer: apiServer ?? serverOf(kubeconfig),
      ...{ linkerdNamespace: plainPart(linkerd, (parts) => parts.namespace), linkerdReady },
      ...{ namespace: namespace.metadata.name, ready: readyWith([namespace, ...chart.resources]) },
      ...{ gatewayAddress: this.gatewayAddress, gatewayPort: ports.gateway, probePort: ports.probe },
      ...{ provider: args.provider, local: args.local },
    };
    this.registerOutputs({ gatewayAddress: this.gatewayAddress });
  }
}

/** The address that the cluster's load balancer gave the gateway: its host name (AWS) or IP. */
function gatewayAddress(chart: Objects, clusterName: string): pulumi.Output<string> {
  const status = chart.statusOf("Service", "linkerd-gateway") as
    pulumi.Output<k8s.types.output.core.v1.ServiceStatus> | undefined;
  return pulumi.output(status).apply((known) => {
    const [first] = known?.loadBalancer?.ingress ?? [];
    const address = first?.hostname ?? first?.ip;
    if (address) return address;
    const service = `kubectl -n ${multiclusterNamespace} get service linkerd-gateway`;
    const next = `Next: ${service}, or set gateway (pulumi config set --path existing.${clusterName}.gateway <address>)`;
    throw new pulumi.RunError(`the gateway of cluster ${clusterName} got no address from a load balancer. ${next}`);
  });
}
