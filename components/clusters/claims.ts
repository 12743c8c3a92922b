import * as pulumi from "@pulumi/pulumi";
import { RefusedError } from "../../config/settings";
import { urnsInState } from "../../config/state";
import { type ClusterSourceArgs, sharedNetwork } from ".";
import { k3dSpec } from "./k3d";
import { kwokSpec } from "./kwok";
import { claim, defaultOwner } from "./local";

/** What the claims of a mesh need of its arguments. */
interface ClaimsArgs {
  clusters: Record<string, ClusterSourceArgs & { domain?: string }>;
  dockerNetwork?: string;
}

/**
 * Registers only the claims of a mesh's local clusters: the same resources, with the same URNs, as Mesh registers.
 *
 * They get their own update before a stack's first one, which then need not write the state at each step. If the first
 * update is killed, the claims are in the state, and destroying them removes everything it began. See
 * stacks/bringUp.ts.
 *
 * @throws RefusedError when the stack has clusters: everything in them would be deleted
 * @example await claimClusters("mesh", args);
 */
export async function claimClusters(name: string, args: ClaimsArgs): Promise<void> {
  const stack = pulumi.getStack();
  const urns = await urnsInState(stack);
  if (urns.some((urn) => urn.includes("pulumi:providers:kubernetes::"))) {
    throw new RefusedError([
      `MESH_ONLY_CLAIMS is ${JSON.stringify(process.env.MESH_ONLY_CLAIMS)}, but stack ${stack} has clusters already; ` +
        "npm start sets it, for the first update of a stack. Next: unset MESH_ONLY_CLAIMS",
    ]);
  }
  const local = Object.entries(args.clusters).filter(([, { k3d, kwok }]) => k3d ?? kwok);
  if (local.length === 0) return;
  const parent = new pulumi.ComponentResource("mesh:index:Mesh", name);
  const network = sharedNetwork(name, args, { parent });
  for (const [cluster, { k3d, kwok, domain }] of local) {
    const full = `${name}-${cluster}`;
    const component = (type: string) => new pulumi.ComponentResource(type, full, {}, { parent });
    if (k3d && network) {
      const args = { runtime: "k3d", spec: k3dSpec(full, { ...k3d, domain, dockerNetwork: network.name }) } as const;
      const opts = { parent: component("mesh:index:K3dCluster"), dependsOn: [network] };
      claim(full, { ...args, owner: k3d.owner ?? defaultOwner() }, opts);
    } else if (kwok) {
      const args = { runtime: "kwok", spec: kwokSpec(full, kwok) } as const;
      claim(full, { ...args, owner: kwok.owner ?? defaultOwner() }, { parent: component("mesh:index:KwokCluster") });
    }
  }
}
