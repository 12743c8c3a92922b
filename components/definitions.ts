import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { installChart } from "./chart";
import { type Cluster, clusterProvider, isLocal } from "./clusters/cluster";
import { program } from "./clusters/program";
import type { Manifest } from "../config/manifests";
import { pack } from "./stripCrds";

/**
 * The CustomResourceDefinitions of a chart that contains nothing else, in one cluster.
 *
 * In an existing cluster each definition is a resource, with its own diff and refresh. The stack owns a local cluster
 * as a whole, so one Command applies them there: as resources they take a quarter of a preview (docs/performance.md). A
 * preview names the definitions that change.
 *
 * When the chart is removed, the Gateway API's definitions stay for other users' routes. In an existing cluster the
 * next installation takes them over with a separate provider, because it may take over nothing else there.
 * clusters/preflight.ts refuses definitions that are not Linkerd's.
 *
 * @example
 * const crds = definitions("mesh-east-crds", { cluster, objects: charts.definitions }, { parent });
 */
export function definitions(
  name: string,
  { cluster, objects }: { cluster: Cluster; objects: Manifest[] },
  opts: { parent: pulumi.Resource },
): pulumi.Resource {
  if (!isLocal(cluster)) {
    const { kubeconfig, plan } = cluster;
    const takesOver = { upsertExistingObjects: true, enablePatchForce: true };
    const keptBy = clusterProvider(`${name}-kept`, { kubeconfig, clusterIdentifier: plan.context, ...takesOver }, opts);
    return installChart(name, { objects, keptBy }, opts);
  }
  return new command.local.Command(
    name,
    {
      create: program("components/applyDefinitions.ts", "apply"),
      environment: { MESH_CLUSTER_NAME: cluster.plan.physicalName },
      stdin: JSON.stringify(pack(objects)),
      triggers: [cluster.clusterResource.id],
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}
