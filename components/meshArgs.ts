import * as path from "node:path";
import type { ChartPaths } from "../config/charts";
import { checkoutImages } from "../config/checkout";
import { readContext } from "../config/contexts";
import type { ClusterPlan } from "../config/plan";
import type { Settings } from "../config/settings";
import type { ClustersArgs, ClusterSourceArgs } from "./clusters";
import type { Capabilities } from "./clusters/cluster";
import { existingCapabilities } from "./clusters/existing";
import type { MeshArgs, MeshClusterArgs } from "./mesh";

/**
 * The arguments of the program's Mesh. Asks clusters that exist already for their capabilities.
 *
 * @throws RefusedError when such a cluster does not answer
 * @example new Mesh("mesh", await meshArgs({ plan, settings, owner, paths }));
 */
export async function meshArgs(args: ClustersArgs & { paths: ChartPaths }): Promise<MeshArgs> {
  const { plan, settings } = args;
  const { proxyLogLevel, webhookFailurePolicy, installGatewayApi, orgDomain, chartValues, trustAnchors } = settings;
  const clusters = await Promise.all(
    plan.clusters.map(async (cluster): Promise<[string, MeshClusterArgs]> => {
      const { name, domain, manifests } = cluster;
      const source = { ...sourceOf(cluster, args), ...(await capabilitiesOf(cluster, settings)) };
      return [name, { ...source, domain, manifests, namespaces: plan.namespaces[name] }];
    }),
  );
  const kubeconfigs = Object.entries(settings.existing).map(([name, one]) => [name, readContext(name, one).text]);
  return {
    ...{ proxyLogLevel, webhookFailurePolicy, installGatewayApi, orgDomain, ...chartsOf(args) },
    ...{ chartValues, anchors: trustAnchors, issuerGeneration: settings.issuerGeneration },
    clusters: Object.fromEntries(clusters),
    kubeconfigs: Object.fromEntries(kubeconfigs) as Record<string, string>,
    links: plan.links.map(({ source, target }) => ({ source: source.name, target: target.name })),
    dockerNetwork: plan.network,
    // On k3d the program makes the routes.
    measuresRoutes: plan.runtime === "existing" && settings.network === "flat",
  };
}

/** A repository's charts are kept already. Those of a checkout have been copied. */
function chartsOf({ plan: { charts }, paths }: ClustersArgs & { paths: ChartPaths }) {
  if ("repository" in charts) return { chartRepository: charts.repository, linkerdVersion: charts.version };
  return { chartDirectory: path.dirname(paths["linkerd-crds"]) };
}

/** How the mesh gets a cluster. */
export function sourceOf(cluster: ClusterPlan, { settings, owner }: ClustersArgs): ClusterSourceArgs {
  const { name, physicalName, context, ports, ranges } = cluster;
  if (settings.runtime === "kwok") return { kwok: { physicalName, ports, owner } };
  if (settings.runtime === "existing") {
    const existing = settings.existing[name];
    if (!existing) throw new Error("settings.ts refuses clusters without a context");
    const { gateway, apiServer = readContext(name, existing).server } = existing;
    return { context, apiServer, gateway };
  }
  const [apiPort = 0] = ports;
  const { nodeImage, images, registryMirror, imageCache, k3sArgs, caFile, charts } = settings;
  return {
    k3d: {
      ...{ physicalName, apiPort, owner, nodeImage, images, registryMirror, imageCache, k3sArgs, caFile },
      ...{ servers: settings.servers[name], agents: settings.agents[name], publishedPorts: settings.ports[name] },
      ...{ podRange: ranges?.pods, serviceRange: ranges?.services },
      ...("checkout" in charts && { developmentImages: checkoutImages(charts) }),
    },
  };
}

/** A local cluster need not exist yet. */
async function capabilitiesOf({ name }: ClusterPlan, settings: Settings): Promise<Partial<Capabilities>> {
  const existing = settings.existing[name];
  if (settings.runtime === "existing" && existing) return existingCapabilities(name, existing);
  // Example: rancher/k3s:v1.34.4-k3s1
  const [, kubernetesVersion] =
    (settings.runtime === "k3d" && /:(v\d+\.\d+\.\d+)/.exec(settings.nodeImage ?? "")) || [];
  return { kubernetesVersion };
}
