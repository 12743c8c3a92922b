import * as pulumi from "@pulumi/pulumi";
import type { ChartPaths } from "../config/charts";
import { gatewayPorts } from "../config/gatewayPorts";
import type { Plan } from "../config/plan";
import type { Settings } from "../config/settings";
import { capabilitiesOf, makeClusters } from "./clusters";
import { Linkerd, type LinkerdCharts, renderLinkerd } from "./linkerd";
import { MulticlusterLink, type LinkEnd } from "./link";
import { Multicluster, renderMulticluster } from "./multicluster";
import type { Manifest } from "../config/manifests";
import { TrustAnchor } from "./trustAnchor";
import { Workloads } from "./workloads";

/** The rendered charts, by cluster. */
export type MeshCharts = Record<string, { linkerd: LinkerdCharts; multicluster: Manifest[] }>;

/**
 * Renders all charts of a mesh, before any resource is registered. A preview then lists the same resources whether or
 * not the clusters exist.
 *
 * @example const charts = await renderCharts("mesh", { plan, settings, paths });
 */
export async function renderCharts(
  name: string,
  { plan, settings, paths }: { plan: Plan; settings: Settings; paths: ChartPaths },
): Promise<MeshCharts> {
  const { trust } = plan;
  return Object.fromEntries(
    await Promise.all(
      plan.clusters.map(async (cluster) => {
        const full = `${name}-${cluster.name}`;
        const args = { paths, cluster, trust, settings, capabilities: await capabilitiesOf(cluster, settings) };
        const [linkerd, multicluster] = await Promise.all([renderLinkerd(full, args), renderMulticluster(full, args)]);
        return [cluster.name, { linkerd, multicluster }];
      }),
    ),
  ) as MeshCharts;
}

export interface MeshArgs {
  plan: Plan;
  settings: Settings;
  charts: MeshCharts;
  /** The owner of the local clusters. Example: `stack dev of /home/alice/mesh` */
  owner: string;
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
 * @example new Mesh("mesh", { plan, settings, charts, owner });
 */
export class Mesh extends pulumi.ComponentResource {
  readonly clusters: Record<string, ClusterOutputs> = {};
  readonly kubeconfigs: pulumi.Output<Record<string, string>>;
  readonly trustAnchor: TrustAnchor;

  constructor(name: string, args: MeshArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mesh:index:Mesh", name, {}, opts);
    const { plan, settings, charts } = args;
    const { trust } = plan;
    const child = { parent: this };

    this.trustAnchor = new TrustAnchor(name, { plan: trust }, child);
    const ends = new Map<string, LinkEnd>();
    for (const cluster of makeClusters(name, args, child)) {
      const clusterName = cluster.plan.name;
      const full = `${name}-${clusterName}`;
      const issuer = this.trustAnchor.issuer(cluster.plan);
      const trustBundle = this.trustAnchor.bundlePem;
      const { webhookFailurePolicy } = settings;
      const rendered = charts[clusterName];
      if (!rendered) throw new Error("renderCharts renders for every planned cluster");

      const linkerd = new Linkerd(
        full,
        { cluster, charts: rendered.linkerd, trust, trustBundle, issuer, webhookFailurePolicy },
        child,
      );
      const multicluster = new Multicluster(
        full,
        { cluster, linkerd, chart: rendered.multicluster, gatewayPorts: gatewayPorts(settings.chartValues) },
        child,
      );
      const namespaces = plan.namespaces[clusterName] ?? [];
      new Workloads(full, { cluster, linkerd, multicluster, namespaces, trust }, child);

      ends.set(clusterName, { cluster, linkerd, multicluster });
      this.clusters[clusterName] = {
        context: cluster.plan.context,
        domain: cluster.plan.domain,
        gateway: multicluster.gatewayAddress,
        apiServer: cluster.apiServerForPeers,
        issuerExpires: issuer.expires,
      };
    }
    // On k3d the program makes the routes.
    const measuresRoutes = plan.runtime === "existing" && settings.network === "flat";
    for (const link of plan.links) {
      const [source, target] = [ends.get(link.source.name), ends.get(link.target.name)];
      if (!source || !target) throw new Error("plan.ts makes links between planned clusters only");
      const linkName = `${name}-${link.source.name}-to-${link.target.name}`;
      new MulticlusterLink(linkName, { source, target, measuresRoutes }, child);
    }
    this.kubeconfigs = pulumi.secret(
      pulumi.all(Object.fromEntries([...ends].map(([clusterName, { cluster }]) => [clusterName, cluster.kubeconfig]))),
    );
    this.registerOutputs();
  }
}
