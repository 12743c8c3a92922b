import { readFile } from "node:fs/promises";
import type * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "./clusters/cluster";
import { ownKubeconfig } from "../lib/paths";
import { variable } from "./clusters/lifecycle/spec";

/**
 * The environment by which a program that the graph runs finds a cluster's kubeconfig. A local cluster's is known by its
 * name: twenty kilobytes less in the state.
 */
export function kubeconfigEnvironment({ lifeline, plan, kubeconfig }: Cluster): Record<string, pulumi.Input<string>> {
  return lifeline ? { MESH_CLUSTER_NAME: plan.physicalName } : { MESH_KUBECONFIG: kubeconfig };
}

/** The kubeconfig that `kubeconfigEnvironment` names, for the program itself. */
export async function givenKubeconfig(): Promise<string> {
  const { MESH_KUBECONFIG } = process.env;
  return MESH_KUBECONFIG ?? (await readFile(ownKubeconfig(variable("MESH_CLUSTER_NAME")), "utf8"));
}
