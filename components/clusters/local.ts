import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterProvider } from "./cluster";
import type { LocalSpec } from "./lifecycle/spec";
import { program } from "./program";

export interface LocalClusterArgs {
  /** Which program in lifecycle/ makes it. */
  runtime: "k3d" | "kwok";
  /** All that the program needs. Any change makes another cluster. */
  spec: LocalSpec;
  /** Who may clear it: see lifecycle/owner.ts. */
  owner: string;
}

/** Raised where the graph has changed so that a local cluster of before had better be made anew than updated. */
const layout = 2;

/**
 * What k3d and kwok share: three Commands and a provider.
 *
 * One Command claims the name, one owns the cluster, and one reads its kubeconfig, so that the kubeconfig stays known in
 * previews that touch the second one.
 */
export function localCluster(
  name: string,
  { runtime, spec, owner }: LocalClusterArgs,
  opts: { parent: pulumi.Resource; dependsOn?: pulumi.Resource[] },
): { kubeconfig: pulumi.Output<string>; provider: k8s.Provider; lifeline: command.local.Command } {
  const file = `components/clusters/lifecycle/${runtime}.ts`;
  const environment = { MESH_CLUSTER: JSON.stringify(spec), MESH_OWNER: owner };
  const identity = `${environment.MESH_CLUSTER} ${layout}`;
  const triggers = [identity];
  const common = { environment, triggers, addPreviousOutputInEnv: false };
  // A cluster's name is fixed: made first, the new one would be what the old one's deletion then removes.
  const replacing = { deleteBeforeReplace: true };
  // Another owner's name (the checkout was moved) changes nothing in the cluster.
  const update = program(file, "update");
  const remove = program(file, "delete");
  // In the state before the cluster is begun: a creation that was killed leaves nothing else there, and destroying the
  // stack has to clear what stands half made.
  const claim = new command.local.Command(
    `${name}-claim`,
    { ...common, create: program(file, "claim"), update, delete: remove },
    { ...opts, ...replacing },
  );
  const lifeline = new command.local.Command(
    name,
    { ...common, create: program(file, "create"), update, delete: remove },
    { ...opts, ...replacing, dependsOn: claim },
  );
  const reader = new command.local.Command(
    `${name}-kubeconfig`,
    {
      create: program(file, "kubeconfig"),
      environment,
      triggers: [lifeline.id],
      addPreviousOutputInEnv: false,
      logging: "none",
    },
    { parent: opts.parent, dependsOn: lifeline, deletedWith: lifeline, additionalSecretOutputs: ["stdout"] },
  );
  const kubeconfig = pulumi.secret(reader.stdout);
  const clusterIdentifier = `${spec.context}-${createHash("sha256").update(identity).digest("hex").slice(0, 8)}`;
  const provider = clusterProvider(
    name,
    {
      kubeconfig,
      clusterIdentifier,
      // A replaced cluster is gone before the objects that were in it are taken out of the state.
      deleteUnreachable: true,
      // All that is in this cluster is the stack's: what a killed engine made and no state knows is taken over, and what
      // someone changed by hand is put back.
      upsertExistingObjects: true,
      enablePatchForce: true,
    },
    { parent: opts.parent, deletedWith: lifeline },
  );
  return { kubeconfig, provider, lifeline };
}
