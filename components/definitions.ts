import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { installChart } from "./chart";
import { type Cluster, clusterProvider, isLocal } from "./clusters/cluster";
import { program } from "./clusters/program";
import type { Manifest } from "../config/manifests";
import { pack } from "./stripCrds";

/**
 * The CustomResourceDefinitions of a chart that holds nothing else, in one cluster.
 *
 * In a cluster of yours each is a resource, with its own diff and refresh. In a local one, which is the stack's as a whole and
 * goes as a whole, one Command applies them: as resources they take a quarter of a preview (docs/performance.md). A preview
 * tells those that change by their names.
 *
 * The chart keeps the Gateway API's definitions when it goes, for routes of others. In a cluster of yours the next
 * installation takes them over with a provider of their own, since nothing else there may be taken over. clusters/preflight.ts
 * refuses definitions that are not Linkerd's.
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
      triggers: [cluster.lifeline.id],
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}
