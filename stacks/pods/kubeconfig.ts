import * as fs from "node:fs/promises";
import { ownKubeconfig } from "../../lib/paths";
import { physicalNameOf } from "../../config/physicalName";
import type { ExistingCluster } from "../../config/settings";
import { readContext } from "../../config/contexts";
import { chooseRuntime, readStackFile } from "../stackFile";

/** How to reach one cluster of a stack. */
export interface Access {
  /** With credentials: never to be printed. */
  kubeconfig: string;
  /** The file that kubectl must be told of; undefined where it looks anyway. */
  file?: string;
}

/**
 * Finds a cluster's kubeconfig while its stack is being updated, when the stack's outputs may not be there yet. The
 * engine's events do not have it: it is a secret.
 *
 * @param cluster its name in the mesh
 * @throws Error when the cluster has no kubeconfig
 */
export async function accessTo(stack: string, cluster: string): Promise<Access> {
  if (chooseRuntime(stack) !== "existing") {
    return { kubeconfig: await fs.readFile(ownKubeconfig(physicalNameOf(stack, cluster)), "utf8") };
  }
  const settings = (readStackFile(stack).get("existing") as Record<string, ExistingCluster> | undefined)?.[cluster];
  if (!settings) throw new Error(`existing.${cluster} is not set`);
  return { kubeconfig: readContext(cluster, settings).text, file: settings.kubeconfig };
}
