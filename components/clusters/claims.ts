import * as pulumi from "@pulumi/pulumi";
import { RefusedError } from "../../config/settings";
import type { ClustersArgs } from ".";
import { K3dNetwork, k3dSpec } from "./k3d";
import { kwokSpec } from "./kwok";
import { claim } from "./local";

/**
 * The claims of the plan's local clusters and nothing else: the same resources, by the same URNs, as Mesh makes them.
 *
 * An update of its own that comes before a stack's first one, which then need not write the state at each step: killed, it
 * leaves these in the state, and whatever it began goes with them. stacks/bringUp.ts.
 *
 * @throws RefusedError when the stack has clusters: all that is in them would be deleted
 * @example await claimClusters("mesh", { plan, settings, owner });
 */
export async function claimClusters(name: string, { plan, settings, owner }: ClustersArgs): Promise<void> {
  const { runtime } = plan;
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${plan.stack}`;
  // The engine's own function: what is in the state. pulumi, pkg/resource/deploy/builtins.go.
  const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", { stackName })) as {
    outputs: Record<string, unknown>;
  };
  if (Object.keys(outputs).some((urn) => urn.includes("pulumi:providers:kubernetes::"))) {
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
