import * as fs from "node:fs/promises";
import * as path from "node:path";
import { ownKubeconfig } from "../../lib/paths";
import { physicalNameOf } from "../../config/physicalName";
import type { ExistingSettings } from "../../config/settings";
import { chooseRuntime, readStackFile } from "../stackFile";

/** How to reach one cluster of a stack. */
export interface Access {
  /** Contains credentials: never print it. */
  kubeconfig: string;
  /** The value for kubectl's --kubeconfig; undefined where kubectl finds the file by itself. */
  file?: string;
}

/**
 * Finds a cluster's kubeconfig during an update, when the stack's outputs may not exist yet. The engine's events do not
 * contain it, because it is a secret.
 *
 * @param cluster its name in the mesh
 * @throws Error when the cluster has no kubeconfig
 */
export async function accessTo(stack: string, cluster: string): Promise<Access> {
  if (chooseRuntime(stack) !== "existing") {
    return { kubeconfig: await fs.readFile(ownKubeconfig(physicalNameOf(stack, cluster)), "utf8") };
  }
  const settings = (readStackFile(stack).get("existing") as Record<string, ExistingSettings> | undefined)?.[cluster];
  if (!settings) throw new Error(`existing.${cluster} is not set`);
  // It loads Pulumi's SDK, which takes half a second and which no other runtime needs here.
  const { kubeconfigFiles, readContext } = await import("../../config/contexts.js");
  const file = settings.kubeconfig && kubeconfigFiles(settings).join(path.delimiter);
  return { kubeconfig: readContext(cluster, settings).text, file };
}
