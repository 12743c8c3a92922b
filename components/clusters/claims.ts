import * as pulumi from "@pulumi/pulumi";
import { RefusedError } from "../../config/settings";
import { urnsInState } from "../../config/state";
import type { ClustersArgs } from ".";
import { K3dNetwork, k3dSpec } from "./k3d";
import { kwokSpec } from "./kwok";
import { claim } from "./local";

/**
 * Registers only the claims of the plan's local clusters: the same resources, with the same URNs, as Mesh registers.
 *
 * They get their own update before a stack's first one, which then need not write the state at each step. If the first
 * update is killed, the claims are in the state, and destroying them removes everything it began. See
 * stacks/bringUp.ts.
 *
 * @throws RefusedError when the stack has clusters: everything in them would be deleted
 * @example await claimClusters("mesh", { plan, settings, owner });
 */
export async function claimClusters(name: string, { plan, settings, owner }: ClustersArgs): Promise<void> {
  const { runtime } = plan;
  const urns = await urnsInState(plan.stack);
  if (urns.some((urn) => urn.includes("pulumi:providers:kubernetes::"))) {
    throw new RefusedError([
      `MESH_ONLY_CLAIMS is ${JSON.stringify(process.env.MESH_ONLY_CLAIMS)}, but stack ${plan.stack} has clusters already; ` +
        "npm start sets it, for the first update of a stack. Next: unset MESH_ONLY_CLAIMS",
    ]);
  }
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
