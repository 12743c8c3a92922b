import * as pulumi from "@pulumi/pulumi";
import type { ClustersArgs } from ".";
import { K3dNetwork, k3dSpec } from "./k3d";
import { kwokSpec } from "./kwok";
import { claim } from "./local";

/**
 * The claims of the plan's local clusters and nothing else: the same resources, by the same URNs, as Mesh makes them.
 *
 * An update of its own that comes before a stack's first one, which then need not write the state at each step: killed, it
 * leaves these in the state, and whatever it began goes with them. cli/raise.ts.
 *
 * @example claimClusters("mesh", { plan, settings, owner });
 */
export function claimClusters(name: string, { plan, settings, owner }: ClustersArgs): void {
  const { runtime } = plan;
  if (runtime === "existing") return;
  const parent = new pulumi.ComponentResource("mesh:index:Mesh", name);
  const network =
    runtime === "k3d" ? new K3dNetwork(`${name}-network`, plan.network, { owner }, { parent }) : undefined;
  for (const cluster of plan.clusters) {
    const clusterName = `${name}-${cluster.name}`;
    const type = network ? "mesh:index:K3dCluster" : "mesh:index:KwokCluster";
    const spec = network ? k3dSpec(cluster, network, settings) : kwokSpec(cluster);
    claim(
      clusterName,
      { runtime, spec, owner },
      {
        parent: new pulumi.ComponentResource(type, clusterName, {}, { parent }),
        ...(network && { dependsOn: [network] }),
      },
    );
  }
}
