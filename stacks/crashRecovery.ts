import * as fs from "node:fs";
import * as path from "node:path";
import { endOrphanedPlugins } from "../lib/orphanedPlugins";
import { stateDirectory } from "../lib/paths";
import { hasLogin } from "../tools/pulumiHome";
import { say } from "../lib/run";
import { hasEnded, locksOf } from "./engineLocks";
import { project } from "./stackFile";

/**
 * Cleans up after a killed engine in the default backend. Removes its lock, because every update would fail until
 * `pulumi cancel`. Ends its orphaned plugins and program, and removes half-written attributes.
 *
 * Locks of live processes and of other machines stay, and the engine reports them.
 */
export async function recoverFromCrash(stack: string): Promise<void> {
  if (hasLogin()) return;
  for (const lock of locksOf(stack)) {
    if (!hasEnded(lock)) return;
    await endOrphanedPlugins();
    for (const left of [lock.file, `${lock.file}.attrs`]) fs.rmSync(left, { force: true });
    say(`Stack ${stack} was locked by a program that has ended (process ${lock.pid}): its lock is removed`);
  }
  // The engine writes an attributes file beside each state file, in two steps. A kill between them leaves it empty, and
  // the state cannot be read ("failed to load checkpoint: EOF"). Removing the empty file loses nothing.
  const states = path.join(stateDirectory, ".pulumi/stacks", project);
  if (!fs.existsSync(states)) return;
  for (const name of fs.readdirSync(states)) {
    const file = path.join(states, name);
    if (!name.startsWith(`${stack}.json`) || !name.endsWith(".attrs")) continue;
    if (fs.statSync(file, { throwIfNoEntry: false })?.size === 0) fs.rmSync(file, { force: true });
  }
}
