import * as fs from "node:fs/promises";
import * as path from "node:path";
import { lock } from "proper-lockfile";
import { say } from "./run";

export interface LockOptions {
  /** Called once when another process has the lock. Default: wait in silence. */
  onWait?: () => void;
  /** How long to wait, milliseconds. Default: 300,000. */
  timeout?: number;
  /** A lock whose holder has not renewed it for this long is taken over, milliseconds. Default: 10,000. */
  stale?: number;
  /** Called when another process takes the lock over while the work goes on. Default: throws. */
  onCompromised?: (error: Error) => void;
}

/** For the directory of tools: another process may take half an hour to build them. */
export const toolsLock: LockOptions = {
  onWait: () => say("Another process is building or fetching tools: waiting for it ..."),
  timeout: 3_600_000,
  stale: 60_000,
  // On a laptop that slept. Both processes then make the same tools and rename them into place.
  onCompromised: (error) => say(`${error.message}: going on`),
};

/**
 * Runs `work` while no other process on this machine works on the same thing.
 *
 * @param thing a file or directory that need not exist; the lock is `<thing>.lock`, like kubectl's for a kubeconfig
 * @throws Error when the lock is not free in time
 * @example await exclusively(clusterDirectory("alice-east"), () => create(spec));
 */
export async function exclusively<T>(thing: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const { onWait, timeout = 300_000, stale = 10_000, onCompromised } = options;
  await fs.mkdir(path.dirname(thing), { recursive: true });
  const common = { realpath: false, stale, ...(onCompromised && { onCompromised }) };
  const release = await lock(thing, common).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ELOCKED") throw error;
    onWait?.();
    const pause = 500;
    const retries = { retries: Math.ceil(timeout / pause), factor: 1.3, minTimeout: 50, maxTimeout: pause };
    return lock(thing, { ...common, retries });
  });
  try {
    return await work();
  } finally {
    await release().catch((error: NodeJS.ErrnoException) => {
      // Another process took it over, and onCompromised was told.
      if (error.code !== "ERELEASED") throw error;
    });
  }
}
