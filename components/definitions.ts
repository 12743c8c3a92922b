import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { installChart } from "./chart";
import { clusterProvider, type InClusterArgs } from "./clusters/cluster";
import { commandDefaults, program } from "./clusters/program";
import type { Manifest } from "../config/manifests";
import type { Objects } from "./objects";
import { pack } from "./stripCrds";

interface DefinitionsArgs extends InClusterArgs {
  /** Text that changes exactly when the cluster becomes another one. */
  context: string;
  objects: Manifest[];
}

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
 * const crds = definitions("mesh-east-crds", { kubeconfig, context: "east", objects }, { parent });
 */
export function definitions(
  name: string,
  { local, kubeconfig, context, objects }: DefinitionsArgs,
  opts: { parent: pulumi.Resource },
): Objects | command.local.Command {
  if (!local) {
    const takesOver = { upsertExistingObjects: true, enablePatchForce: true };
    const keptBy = clusterProvider(`${name}-kept`, { kubeconfig, clusterIdentifier: context, ...takesOver }, opts);
    return installChart(name, { objects, keptBy }, opts);
  }
  return new command.local.Command(
    name,
    {
      create: program("components/applyDefinitions.ts", "apply"),
      environment: { MESH_CLUSTER_NAME: local.physicalName },
      stdin: JSON.stringify(pack(objects)),
      triggers: [local.resource.id],
      ...commandDefaults(),
    },
    opts,
  );
}
