import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { lock } from "proper-lockfile";

/** What may be deleted and comes again, shared by all checkouts. Example: `~/.cache/linkerd-multicluster-mesh` */
export function cacheDirectory(): string {
  return path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "linkerd-multicluster-mesh");
}

/**
 * The directory that holds what belongs to one local cluster on this machine: its kubeconfig, its runtime's settings.
 *
 * Example: `~/.local/share/linkerd-multicluster-mesh/alice-east`
 */
export function clusterDirectory(outsideName: string): string {
  const data = process.env.XDG_DATA_HOME || path.join(os.homedir(), ".local", "share");
  return path.join(data, "linkerd-multicluster-mesh", outsideName);
}

/**
 * The cluster's own kubeconfig, mode 600. Written last when a cluster is made and removed first when it goes: where it
 * stands, the cluster is meant to be there.
 */
export function ownKubeconfig(outsideName: string): string {
  return path.join(clusterDirectory(outsideName), "kubeconfig");
}

/** Whose it is, in words. */
export function ownerFile(outsideName: string): string {
  return path.join(clusterDirectory(outsideName), "owner");
}

/**
 * Runs `work` while no other process works on the same thing. An interrupted engine leaves its programs running: the
 * next update's program waits for them here instead of fighting them.
 */
export async function exclusively<T>(thing: string, work: () => Promise<T>): Promise<T> {
  await fs.mkdir(path.dirname(thing), { recursive: true });
  const release = await lock(thing, {
    realpath: false,
    stale: 10_000,
    retries: { retries: 600, minTimeout: 50, maxTimeout: 500 },
  });
  try {
    return await work();
  } finally {
    await release();
  }
}

/**
 * Writes a file that only its owner can read, whole or not at all. To be called under a lock: what a killed writer left is
 * taken away by the next one, which uses the same name.
 */
export async function writePrivately(file: string, text: string): Promise<void> {
  await fs.mkdir(path.dirname(file), { recursive: true });
  const partial = `${file}.partial`;
  await fs.writeFile(partial, text, { mode: 0o600 });
  await fs.rename(partial, file);
}

export function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}

/** Where a program is found that is run by its name, or undefined. */
export async function onPath(program: string): Promise<string | undefined> {
  for (const directory of (process.env.PATH ?? "").split(path.delimiter)) {
    const file = path.join(directory, program);
    if (await exists(file)) return file;
  }
  return undefined;
}
