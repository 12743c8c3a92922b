import * as fs from "node:fs";
import { lock } from "proper-lockfile";
import { say } from "./run";

/**
 * Runs `action` while no other process on this machine does so under the same directory, waiting for it if need be.
 * The lock of a process that died is taken over after a minute.
 *
 * @param directory made when missing; the lock is `<directory>.lock`
 * @param busy what to say while waiting
 */
export async function exclusively<T>(directory: string, busy: string, action: () => Promise<T>): Promise<T> {
  fs.mkdirSync(directory, { recursive: true });
  // A laptop that slept for over a minute may find its lock taken. Both then make the same thing and rename it into place.
  const options = { stale: 60_000, update: 10_000, onCompromised: (error: Error) => say(`${error.message}: going on`) };
  const release = await lock(directory, options).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ELOCKED") throw error;
    say(`${busy}: waiting for it ...`);
    return lock(directory, { ...options, retries: { forever: true, factor: 1, minTimeout: 2000, maxTimeout: 2000 } });
  });
  try {
    return await action();
  } finally {
    await release();
  }
}
