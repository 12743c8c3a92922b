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

/**
 * What k3d and kwok share: two Commands and a provider.
 *
 * One Command owns the cluster, the other reads its kubeconfig, so that the kubeconfig stays known in previews that
 * touch the first one.
 */
export function localCluster(
  name: string,
  { runtime, spec, owner }: LocalClusterArgs,
  opts: { parent: pulumi.Resource; dependsOn?: pulumi.Resource[] },
): { kubeconfig: pulumi.Output<string>; provider: k8s.Provider; lifeline: command.local.Command } {
  const file = `components/clusters/lifecycle/${runtime}.ts`;
  const environment = { MESH_CLUSTER: JSON.stringify(spec), MESH_OWNER: owner };
  const lifeline = new command.local.Command(
    name,
    {
      create: program(file, "create"),
      // Another owner's name (the checkout was moved) changes nothing in the cluster.
      update: program(file, "update"),
      delete: program(file, "delete"),
      environment,
      triggers: [environment.MESH_CLUSTER],
      addPreviousOutputInEnv: false,
    },
    // A cluster's name is fixed: made first, the new one would be what the old one's deletion then removes.
    { ...opts, deleteBeforeReplace: true },
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
  const clusterIdentifier = `${spec.context}-${createHash("sha256").update(environment.MESH_CLUSTER).digest("hex").slice(0, 8)}`;
  const provider = clusterProvider(
    name,
    { kubeconfig, clusterIdentifier },
    { parent: opts.parent, deletedWith: lifeline },
  );
  return { kubeconfig, provider, lifeline };
}
