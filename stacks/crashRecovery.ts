import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { endOrphanedPlugins } from "../lib/orphanedPlugins";
import { stateDirectory } from "../lib/paths";
import { hasLogin } from "../tools/pulumiHome";
import { say } from "../lib/run";
import { project } from "./stackFile";

/** A lock file of the engine, one per lock: pkg/backend/diy/lock.go. */
interface Lock {
  pid: number;
  hostname: string;
}

/** Where the engine keeps the locks of a stack in the default backend. */
export function locksDirectory(stack: string): string {
  return path.join(stateDirectory, ".pulumi/locks/organization", project, stack);
}

/**
 * Cleans up after a killed engine in the default backend. Removes its lock, because every update would fail until
 * `pulumi cancel`. Ends its orphaned plugins and program, and removes half-written attributes.
 *
 * Locks of live processes and of other machines stay, and the engine reports them.
 */
export async function recoverFromCrash(stack: string): Promise<void> {
  if (hasLogin()) return;
  const locks = locksDirectory(stack);
  for (const entry of entries(locks).filter((name) => name.endsWith(".json"))) {
    const file = path.join(locks, entry);
    const { pid, hostname } = JSON.parse(fs.readFileSync(file, "utf8")) as Lock;
    if (hostname !== os.hostname() || isAlive(pid)) return;
    await endOrphanedPlugins();
    for (const left of [file, `${file}.attrs`]) fs.rmSync(left, { force: true });
    say(`Stack ${stack} was locked by a program that has ended (process ${pid}): its lock is removed`);
  }
  // The engine writes an attributes file beside each state file, in two steps. A kill between them leaves it empty, and
  // the state cannot be read ("failed to load checkpoint: EOF"). Removing the empty file loses nothing.
  const states = path.join(stateDirectory, ".pulumi/stacks", project);
  for (const name of entries(states).filter((name) => name.startsWith(`${stack}.json`) && name.endsWith(".attrs"))) {
    if (fs.statSync(path.join(states, name)).size === 0) fs.rmSync(path.join(states, name));
  }
}

function entries(directory: string): string[] {
  return fs.existsSync(directory) ? fs.readdirSync(directory) : [];
}

/** Whether a process exists, whoever owns it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
