import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "./clusters/cluster";
import { program } from "./clusters/program";
import { type Definition, pack, withoutDescriptions } from "./slimCrds";

export interface DefinitionsArgs {
  cluster: Cluster;
  /** Path of a chart that holds CustomResourceDefinitions and nothing else. */
  chart: string;
  namespace: string;
  values: Record<string, unknown>;
}

/**
 * A chart's CustomResourceDefinitions in one cluster.
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
  { cluster, chart, namespace, values }: DefinitionsArgs,
  opts: { parent: pulumi.Resource },
): pulumi.Resource {
  const { lifeline, plan, provider } = cluster;
  if (!lifeline) {
    return new k8s.helm.v4.Chart(name, { chart, namespace, values }, { ...opts, transforms: [withoutDescriptions] });
  }
  // What the SDK's own v3.Chart asks the provider for: its helm/v3/helm.ts.
  const jsonOpts = JSON.stringify({ path: chart, release_name: name, namespace, values });
  const rendered = pulumi.runtime.invokeOutput<Rendered>(
    "kubernetes:helm:template",
    { jsonOpts },
    { ...opts, provider },
  );
  return new command.local.Command(
    name,
    {
      create: program("components/applyDefinitions.ts", "apply"),
      environment: { MESH_CLUSTER_NAME: plan.outsideName },
      // Unknown, as the id is, in a preview that is yet to make the cluster: there nothing can be rendered.
      stdin: pulumi.all([rendered, lifeline.id]).apply(([{ result = [] }]) => JSON.stringify(pack(result))),
      triggers: [lifeline.id],
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}

interface Rendered {
  /** Missing where the provider is not configured yet. */
  result?: Definition[];
}
