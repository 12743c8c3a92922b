import * as fs from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { say, UserError } from "./run";

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
 * @throws UserError when the lock is a file that is older than `stale`
 * @example await exclusively(clusterDirectory("alice-east"), () => create(spec));
 */
export async function exclusively<T>(thing: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const { onWait, timeout = 300_000, stale = 10_000, onCompromised } = options;
  await fs.mkdir(path.dirname(thing), { recursive: true });
  const common = { realpath: false, stale, ...(onCompromised && { onCompromised }) };
  const end = Date.now() + timeout;
  let pause = 0;
  const acquire = async (): Promise<() => Promise<void>> => {
    for (;;) {
      try {
        return await lock(thing, common);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // The library looks at the age of a lock first, and then fails to remove a file as a directory.
        if (code === "ENOTDIR") throw new UserError(leftLock(`${thing}.lock`, stale));
        if (code !== "ELOCKED" || Date.now() > end) throw error;
      }
      if (pause === 0) onWait?.();
      pause = Math.min(500, pause * 1.3 || 50);
      await sleep(pause);
    }
  };
  const release = await acquire();
  try {
    return await work();
  } finally {
    await release().catch((error: NodeJS.ErrnoException) => {
      // Another process took it over, and onCompromised was told.
      if (error.code !== "ERELEASED") throw error;
    });
  }
}

/** kubectl's lock is a file, and it keeps it for milliseconds. This program's own locks are directories. */
function leftLock(file: string, stale: number): string {
  return (
    `${file} is the lock of another program, such as kubectl, and is older than ${stale / 1000} s. ` +
    `Next: rm ${file}, unless that program still runs`
  );
}
