import * as os from "node:os";
import * as path from "node:path";

/** The clone that this file is in. */
export const root = path.join(__dirname, "..");

/** The default backend's state, its passphrase, kept event logs. One per clone, ignored by git. */
export const stateDirectory = path.join(root, ".state");

/**
 * Tools, charts and compiled code. Everything in it may be deleted and is recreated. All clones share it.
 *
 * @example "~/.cache/linkerd-multicluster-mesh"
 */
export function cacheDirectory(): string {
  return path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "linkerd-multicluster-mesh");
}

/**
 * The directory of one local cluster: its kubeconfig and its runtime's settings.
 *
 * @param name its physical name
 * @example clusterDirectory("alice-east") // "~/.local/share/linkerd-multicluster-mesh/alice-east"
 */
export function clusterDirectory(name: string): string {
  const data = process.env.XDG_DATA_HOME || path.join(os.homedir(), ".local", "share");
  return path.join(data, "linkerd-multicluster-mesh", name);
}

/**
 * A local cluster's own kubeconfig, mode 600. It is written last when a cluster is made, and removed first when the
 * cluster goes. So if the file exists, the cluster should exist.
 */
export function ownKubeconfig(name: string): string {
  return path.join(clusterDirectory(name), "kubeconfig");
}

/** The file with the host ports that a local cluster needs. */
export function claimedPortsFile(name: string): string {
  return path.join(clusterDirectory(name), "ports.json");
}

/** The file that names the stack a local cluster belongs to. */
export function ownerFile(name: string): string {
  return path.join(clusterDirectory(name), "owner");
}
