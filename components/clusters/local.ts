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
  /** Whose it is: config/owner.ts. Only its owner may delete it. */
  owner: string;
}

/** Raised where the graph has changed so that a local cluster of before had better be made anew than updated. */
const layout = 3;

interface Options {
  parent: pulumi.Resource;
  dependsOn?: pulumi.Resource[];
}

/**
 * Claims the cluster's name.
 *
 * In the state before the cluster is begun: a creation that was killed leaves nothing else there, and destroying the stack
 * has to clear what stands half made.
 */
export function claim(name: string, args: LocalClusterArgs, opts: Options): command.local.Command {
  return ownedCommand(`${name}-claim`, "claim", args, opts);
}

/**
 * What k3d and kwok share: three Commands and a provider.
 *
 * One Command claims the name, one owns the cluster, and one reads its kubeconfig, so that the kubeconfig stays known in
 * previews that touch the second one.
 */
export function localCluster(
  name: string,
  args: LocalClusterArgs,
  opts: Options,
): { kubeconfig: pulumi.Output<string>; provider: k8s.Provider; lifeline: command.local.Command } {
  const lifeline = ownedCommand(name, "create", args, { ...opts, dependsOn: [claim(name, args, opts)] });
  const reader = new command.local.Command(
    `${name}-kubeconfig`,
    {
      create: program(programOf(args), "kubeconfig"),
      environment: environmentOf(args),
      triggers: [lifeline.id],
      addPreviousOutputInEnv: false,
      logging: "none",
    },
    { parent: opts.parent, dependsOn: lifeline, deletedWith: lifeline, additionalSecretOutputs: ["stdout"] },
  );
  const kubeconfig = pulumi.secret(reader.stdout);
  const digest = createHash("sha256").update(identityOf(args)).digest("hex");
  const clusterIdentifier = `${args.spec.context}-${digest.slice(0, 8)}`;
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

/** A Command that stands for the cluster: its end is the cluster's end. */
function ownedCommand(name: string, verb: "claim" | "create", args: LocalClusterArgs, opts: Options) {
  const file = programOf(args);
  return new command.local.Command(
    name,
    {
      create: program(file, verb),
      // Another owner's name (the checkout was moved) changes nothing in the cluster.
      update: program(file, "update"),
      delete: program(file, "delete"),
      environment: environmentOf(args),
      triggers: [identityOf(args)],
      addPreviousOutputInEnv: false,
    },
    // A cluster's name is fixed: made first, the new one would be what the old one's deletion then removes.
    { ...opts, deleteBeforeReplace: true },
  );
}

const programOf = ({ runtime }: LocalClusterArgs) => `components/clusters/lifecycle/${runtime}.ts`;
const environmentOf = ({ spec, owner }: LocalClusterArgs) => ({
  MESH_CLUSTER: JSON.stringify(spec),
  MESH_OWNER: owner,
});
const identityOf = (args: LocalClusterArgs) => `${environmentOf(args).MESH_CLUSTER} ${layout}`;
