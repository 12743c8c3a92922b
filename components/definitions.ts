import * as fs from "node:fs/promises";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { installChart } from "./chart";
import { clusterProvider, isLocal } from "./clusters/cluster";
import { program } from "./clusters/program";
import { type ChartArgs, rendering } from "./rendering";
import { type Definition, pack } from "./slimCrds";

/**
 * The CustomResourceDefinitions of a chart that holds nothing else, in one cluster.
 *
 * In a cluster of yours each is a resource, with its own diff and refresh. In a local one, which is the stack's as a whole and
 * goes as a whole, one Command applies them: as resources they were half of the state, which the local backend writes at each
 * step, and two fifths of an up's time (docs/performance.md). A preview tells those that change by their names.
 *
 * @example
 * const crds = definitions("mesh-east-crds", { cluster, chart: charts["linkerd-crds"], namespace: "linkerd", values: {} }, { parent });
 */
export function definitions(
  name: string,
  { cluster, chart, namespace, values }: ChartArgs,
  opts: { parent: pulumi.Resource },
): pulumi.Resource {
  if (!isLocal(cluster)) {
    // The chart keeps the Gateway API's definitions when it goes, for routes of others. The next installation takes them over
    // with a provider of their own, since nothing else in the cluster may be taken over. preflight.ts refuses definitions
    // that are not Linkerd's.
    const { kubeconfig, plan } = cluster;
    const takesOver = { upsertExistingObjects: true, enablePatchForce: true };
    const keptBy = clusterProvider(`${name}-kept`, { kubeconfig, clusterIdentifier: plan.context, ...takesOver }, opts);
    return installChart(name, { cluster, chart, namespace, values, keptBy }, opts);
  }
  const write = (objects: Definition[]) => JSON.stringify(pack(objects));
  const file = rendering(name, { cluster, chart, namespace, values, write }, opts);
  return new command.local.Command(
    name,
    {
      create: program("components/applyDefinitions.ts", "apply"),
      environment: { MESH_CLUSTER_NAME: cluster.plan.outsideName },
      stdin: file.apply((packed) => fs.readFile(packed, "utf8")),
      triggers: [cluster.lifeline.id],
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}
