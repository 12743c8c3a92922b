import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterProvider } from "./cluster";
import type { LocalSpec } from "./lifecycle/spec";
import { commandDefaults, program } from "./program";

export interface LocalClusterArgs {
  /** Which program in lifecycle/ makes it. */
  runtime: "k3d" | "kwok";
  /** All that the program needs. Any change replaces the cluster. */
  spec: LocalSpec;
  /** Images of the local Docker engine to import before anything runs in the cluster. A change keeps the cluster. */
  images?: string[];
  /** Its owner. Only the owner may delete it. Example: `stack dev of /home/alice/mesh` */
  owner: string;
}

/** Increase it when the graph changes so much that older local clusters should be replaced instead of updated. */
const layout = 3;

interface Options {
  parent: pulumi.Resource;
  dependsOn?: pulumi.Resource[];
}

/** The owner of a local cluster where the program names none. */
export function defaultOwner(): string {
  return `stack ${pulumi.getStack()} of project ${pulumi.getProject()}`;
}

/**
 * Claims the cluster's name.
 *
 * The claim is in the state before the creation of the cluster begins. A killed creation leaves nothing else there, and
 * destroying the stack must still clear a half-made cluster.
 */
export function claim(name: string, args: LocalClusterArgs, opts: Options): command.local.Command {
  return ownedCommand(`${name}-claim`, "claim", args, opts);
}

/**
 * The parts that k3d and kwok share: three Commands and a provider.
 *
 * One Command claims the name, one owns the cluster, and one reads its kubeconfig. So the kubeconfig stays known in
 * previews that touch the second one.
 */
export function localCluster(
  name: string,
  args: LocalClusterArgs,
  opts: Options,
): { kubeconfig: pulumi.Output<string>; provider: k8s.Provider; clusterResource: command.local.Command } {
  const clusterResource = ownedCommand(name, "create", args, { ...opts, dependsOn: [claim(name, args, opts)] });
  const images = args.images ? [importImages(name, args, clusterResource, opts.parent)] : [];
  const reader = new command.local.Command(
    `${name}-kubeconfig`,
    {
      create: program(programOf(args), "kubeconfig"),
      environment: environmentOf(args),
      triggers: [clusterResource.id],
      ...commandDefaults(),
      logging: "none",
    },
    {
      parent: opts.parent,
      dependsOn: [clusterResource, ...images],
      deletedWith: clusterResource,
      additionalSecretOutputs: ["stdout"],
    },
  );
  const kubeconfig = pulumi.secret(reader.stdout);
  const digest = createHash("sha256").update(identityOf(args)).digest("hex");
  const clusterIdentifier = `${args.spec.context}-${digest.slice(0, 8)}`;
  const provider = clusterProvider(
    name,
    {
      kubeconfig,
      clusterIdentifier,
      // A replaced cluster is gone before its objects are removed from the state.
      deleteUnreachable: true,
      // The stack owns everything in this cluster. So the provider takes over objects that a killed engine made but did
      // not record, and reverts manual changes.
      upsertExistingObjects: true,
      enablePatchForce: true,
    },
    { parent: opts.parent, deletedWith: clusterResource },
  );
  return { kubeconfig, provider, clusterResource };
}

function importImages(
  name: string,
  args: LocalClusterArgs,
  clusterResource: command.local.Command,
  parent: pulumi.Resource,
): command.local.Command {
  return new command.local.Command(
    `${name}-images`,
    {
      create: program(programOf(args), "import-images"),
      environment: { ...environmentOf(args), MESH_IMAGES: JSON.stringify(args.images) },
      triggers: [clusterResource.id, ...(args.images ?? [])],
      ...commandDefaults(),
    },
    { parent, dependsOn: clusterResource, deletedWith: clusterResource },
  );
}

/** A Command that represents the cluster: deleting it deletes the cluster. */
function ownedCommand(name: string, verb: "claim" | "create", args: LocalClusterArgs, opts: Options) {
  const file = programOf(args);
  return new command.local.Command(
    name,
    {
      create: program(file, verb),
      // A new owner name (the checkout was moved) changes nothing in the cluster.
      update: program(file, "update"),
      delete: program(file, "delete"),
      environment: environmentOf(args),
      triggers: [identityOf(args)],
      ...commandDefaults(),
    },
    // A cluster's name is fixed: if the new one were made first, deleting the old one would remove it.
    { ...opts, deleteBeforeReplace: true },
  );
}

const programOf = ({ runtime }: LocalClusterArgs) => `components/clusters/lifecycle/${runtime}.ts`;
const environmentOf = ({ spec, owner }: LocalClusterArgs) => ({
  MESH_CLUSTER: JSON.stringify(spec),
  MESH_OWNER: owner,
});
const identityOf = (args: LocalClusterArgs) => `${environmentOf(args).MESH_CLUSTER} ${layout}`;
