import { readFile } from "node:fs/promises";
import type * as pulumi from "@pulumi/pulumi";
import type { InClusterArgs } from "./clusters/cluster";
import { ownKubeconfig } from "../lib/paths";
import { variable } from "./clusters/lifecycle/spec";

/**
 * Environment variables by which a program run by the graph finds a cluster's kubeconfig. A local cluster passes only
 * its name, which saves twenty kilobytes of state.
 */
export function kubeconfigEnvironment({
  local,
  kubeconfig,
}: Pick<InClusterArgs, "local" | "kubeconfig">): Record<string, pulumi.Input<string>> {
  return local ? { MESH_CLUSTER_NAME: local.physicalName } : { MESH_KUBECONFIG: kubeconfig };
}

/** Reads the kubeconfig that `kubeconfigEnvironment` points to, in the program itself. */
export async function givenKubeconfig(): Promise<string> {
  const { MESH_KUBECONFIG } = process.env;
  return MESH_KUBECONFIG ?? (await readFile(ownKubeconfig(variable("MESH_CLUSTER_NAME")), "utf8"));
}
