import * as pulumi from "@pulumi/pulumi";
import { checkArgs } from "../config/arguments";
import type { Manifest } from "../config/manifests";
import { RefusedError } from "../config/settings";
import { imagesIn } from "../imageCache/images";
import { type ClusterSourceArgs, contextOf, makeCluster, sharedNetwork } from "./clusters";
import { inCluster } from "./clusters/cluster";
import { nodesOf } from "./clusters/lifecycle/spec";
import { MulticlusterLink } from "./link";
import { Linkerd, type LinkerdChartArgs, linkerdCharts, type LinkerdOptions } from "./linkerd";
import { type LinkEnd, Multicluster, multiclusterChart, type MulticlusterChartArgs } from "./multicluster";
import { isLater, part } from "./parts";
import { chartObjects, type ChartRequest, prepareCharts } from "./preparedCharts";
import { TrustAnchor } from "./trustAnchor";
import { Workloads } from "./workloads";

/** One cluster of a mesh. */
export interface MeshClusterArgs extends ClusterSourceArgs {
  /** DNS domain, and Linkerd's trust domain. Default: `<name>.<orgDomain>` for k3d and kwok, else `cluster.local` */
  domain?: string;
  /** Its Kubernetes version. Default: `v1.34.4` */
  kubernetesVersion?: string;
  /** Its API groups with their versions, besides those that Helm knows. Default: none. Example: `["policy/v1"]` */
  apiVersions?: string[];
  /** Kubernetes objects, as in a manifest. Default: none */
  manifests?: Manifest[];
  /** Namespaces to make, besides those of the manifests. Default: those that the manifests need */
  namespaces?: string[];
}

/** One directed link. */
export interface MeshLinkArgs {
  /** Name of the cluster that mirrors. */
  source: string;
  /** Name of the cluster whose exported services are mirrored. */
  target: string;
}

export interface MeshArgs extends LinkerdOptions {
  /** The clusters by their names in the mesh: a-z, 0-9 and -, at most 20 characters. */
  clusters: Record<string, MeshClusterArgs>;
  /** Admin kubeconfigs of the clusters that exist already, by name. This machine reaches their addresses. Default: none */
  kubeconfigs?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Default: every pair of clusters, both ways */
  links?: MeshLinkArgs[];
  /** The trust anchor and the domains of local clusters are named after it. Default: `cluster.local` */
  orgDomain?: string;
  /** Docker network to make for the k3d clusters. Default: `<component's name>-network` */
  dockerNetwork?: string;
  /** Whether to measure, before clusters are linked, that their pods reach each other. Default: false */
  measuresRoutes?: boolean;
  /** @internal When pods may start. Default: at once */
  imagesReady?: Promise<void>;
}

/** Outputs about one cluster. */
export interface ClusterOutputs {
  /** Context for kubectl. */
  context: string;
  domain: string;
  /** Where the other clusters' Links find its gateway. */
  gateway: pulumi.Output<string>;
  /** Its API server as the other clusters' pods reach it. */
  apiServer: pulumi.Output<string>;
  /** When its issuer expires, RFC 3339. */
  issuerExpires: pulumi.Output<string>;
}

/**
 * The whole mesh: clusters, one trust anchor, Linkerd and its multicluster extension in each, the links between them,
 * and the workloads.
 *
 * @throws RefusedError for faulty arguments, and when a chart cannot be had or rendered
 * @example new Mesh("mesh", { clusters: { east: {}, west: {} }, kubeconfigs: { east, west } });
 */
export class Mesh extends pulumi.ComponentResource {
  /** By name. */
  readonly clusters: Record<string, ClusterOutputs> = {};
  /** Admin kubeconfigs by cluster. A secret. */
  readonly kubeconfigs: pulumi.Output<Record<string, string>>;
  /** Every trusted root, PEM, oldest first. */
  readonly trustBundle: pulumi.Output<string>;
  /** When the signing root expires, RFC 3339. */
  readonly trustAnchorExpires: pulumi.Output<string>;

  constructor(name: string, args: MeshArgs, opts?: pulumi.ComponentResourceOptions) {
    checkMesh(name, args);
    super("mesh:index:Mesh", name, {}, opts);
    const { anchors, issuerGeneration, orgDomain, measuresRoutes, imagesReady } = args;
    const members = membersOf(name, args);
    const child = { parent: this };

    const domains = Object.fromEntries(members.map(({ clusterName, domain }) => [clusterName, domain]));
    const anchor = new TrustAnchor(name, { anchors, issuerGeneration, orgDomain, clusters: domains }, child);
    this.trustBundle = anchor.bundlePem;
    this.trustAnchorExpires = anchor.expires;

    const network = sharedNetwork(name, args, child);
    const ends = new Map<string, LinkEnd>();
    const kubeconfigs: Record<string, pulumi.Output<string>> = {};
    for (const member of members) {
      const { clusterName, domain, context, manifests, namespaces } = member;
      const full = `${name}-${clusterName}`;
      const onNetwork = {
        network,
        dockerNetwork: network?.name,
        domain,
        peerNodes: nodesOfPeers(name, clusterName, args),
      };
      const cluster = makeCluster(full, { ...member, kubeconfig: kubeconfigOf(args, clusterName) }, onNetwork, child);
      const { kubeconfig, local, provider, apiServer, gateway } = cluster;
      const access = { kubeconfig, local };
      const inside = inCluster(cluster, this);
      const issuer = anchor.issuer(clusterName);

      const { installed: linkerd } = new Linkerd(
        full,
        { ...access, ...linkerdArgs(args, member), trustBundle: this.trustBundle, issuer, context, imagesReady },
        inside,
      );
      const { end } = new Multicluster(
        full,
        { ...access, ...multiclusterArgs(args, member), clusterName, linkerd, apiServer, gateway, provider },
        inside,
      );
      const generations = { anchors, issuerGeneration };
      new Workloads(full, { ...access, ...generations, linkerd, multicluster: end, manifests, namespaces }, inside);
      ends.set(clusterName, end);
      kubeconfigs[clusterName] = kubeconfig;
      this.clusters[clusterName] = {
        ...{ context, domain, gateway: pulumi.output(end.gatewayAddress), apiServer },
        issuerExpires: pulumi.output(issuer.expires),
      };
    }
    for (const link of linksOf(args)) {
      const [source, target] = [ends.get(link.source), ends.get(link.target)];
      if (!source || !target) throw new Error("checkMesh refuses links of unknown clusters");
      new MulticlusterLink(`${name}-${link.source}-to-${link.target}`, { source, target, measuresRoutes }, child);
    }
    this.kubeconfigs = pulumi.secret(pulumi.all(kubeconfigs));
    this.registerOutputs();
  }

  /** Renders all charts of a Mesh side by side, before it is made. Optional: without it the constructor does. */
  static prepare(name: string, args: MeshArgs): Promise<void> {
    checkMesh(name, args);
    return prepareCharts(chartsOf(name, args));
  }

  /** The images that the charts and manifests of a Mesh name, each once. Call it after `prepare`. */
  static images(name: string, args: MeshArgs): string[] {
    const manifests = membersOf(name, args).flatMap(({ manifests = [] }) => manifests);
    return imagesIn([...chartsOf(name, args).flatMap(chartObjects), ...manifests]);
  }
}

/** The charts of all clusters of a mesh. */
function chartsOf(name: string, args: MeshArgs): ChartRequest[] {
  return membersOf(name, args).flatMap((member) => {
    const full = `${name}-${member.clusterName}`;
    return [...linkerdCharts(full, linkerdArgs(args, member)), multiclusterChart(full, multiclusterArgs(args, member))];
  });
}

/** @throws RefusedError before anything is registered */
function checkMesh(name: string, args: MeshArgs): void {
  checkArgs("Mesh", name, args);
  const names = Object.keys(args.clusters);
  const unknown = linksOf(args).flatMap(({ source, target }) => [source, target].filter((end) => !names.includes(end)));
  const homeless = Object.entries(args.clusters).filter(
    ([cluster, { k3d, kwok }]) => !k3d && !kwok && !kubeconfigOf(args, cluster),
  );
  const problems = [
    ...unknown.map((end) => `links of Mesh ${name} name ${end}; allowed: one of the clusters ${names.join(", ")}`),
    ...homeless.map(([one]) => `kubeconfigs.${one} of Mesh ${name} is nothing; allowed: a kubeconfig, or k3d in clusters.${one}`), // prettier-ignore
  ];
  if (problems.length > 0) throw new RefusedError(problems);
}

/** A cluster of a mesh, with its defaults. */
type Member = MeshClusterArgs & { clusterName: string; domain: string; context: string };

function membersOf(name: string, { clusters, orgDomain = "cluster.local" }: MeshArgs): Member[] {
  return Object.entries(clusters).map(([clusterName, cluster]) => {
    const { k3d, kwok } = cluster;
    const isLocal = k3d !== undefined || kwok !== undefined;
    const domain = cluster.domain ?? (isLocal ? `${clusterName}.${orgDomain}` : "cluster.local");
    return { ...cluster, clusterName, domain, context: contextOf(`${name}-${clusterName}`, cluster) ?? clusterName };
  });
}

function linksOf({ clusters, links }: Pick<MeshArgs, "clusters" | "links">): MeshLinkArgs[] {
  const names = Object.keys(clusters);
  return (
    links ?? names.flatMap((source) => names.filter((one) => one !== source).map((target) => ({ source, target })))
  );
}

/** The nodes of the clusters that one is linked with, in either direction. */
function nodesOfPeers(name: string, clusterName: string, args: MeshArgs): string[] {
  const ends = linksOf(args).map(({ source, target }) => [source, target]);
  const peers = new Set(ends.filter((pair) => pair.includes(clusterName)).flat());
  return [...peers].flatMap((peer) => {
    const k3d = peer === clusterName ? undefined : args.clusters[peer]?.k3d;
    return k3d ? nodesOf({ ...k3d, name: k3d.physicalName ?? `${name}-${peer}` }) : [];
  });
}

function chartArgs(args: MeshArgs, { domain, kubernetesVersion, apiVersions }: Member): MulticlusterChartArgs {
  const { anchors, issuerGeneration, chartRepository, linkerdVersion, chartDirectory, chartValues } = args;
  return {
    ...{ anchors, issuerGeneration, chartRepository, linkerdVersion, chartDirectory, chartValues },
    ...{ domain, kubernetesVersion, apiVersions },
  };
}

function linkerdArgs(args: MeshArgs, member: Member): LinkerdChartArgs {
  const { proxyLogLevel, webhookFailurePolicy, installGatewayApi } = args;
  return { ...chartArgs(args, member), proxyLogLevel, webhookFailurePolicy, installGatewayApi };
}

function multiclusterArgs(args: MeshArgs, member: Member): MulticlusterChartArgs {
  const targets = linksOf(args).flatMap(({ source, target }) => (source === member.clusterName ? [target] : []));
  return { ...chartArgs(args, member), targets };
}

/** Undefined where the kubeconfigs are known and have none for the cluster. */
function kubeconfigOf({ kubeconfigs = {} }: MeshArgs, clusterName: string): pulumi.Output<string> | undefined {
  if (!isLater(kubeconfigs) && !kubeconfigs[clusterName]) return;
  return part(kubeconfigs, (all) => {
    const kubeconfig = all[clusterName];
    // The provider would take the user's own kubeconfig.
    if (!kubeconfig) throw new pulumi.RunError(`kubeconfigs.${clusterName} is nothing; allowed: a kubeconfig`);
    return kubeconfig;
  });
}
