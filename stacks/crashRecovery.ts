import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { ownerOf } from "../config/owner";
import { endOrphanedPlugins } from "../lib/engines";
import { root, stateDirectory } from "../lib/paths";
import { hasLogin } from "../tools/pulumiHome";
import { say } from "../lib/run";
import { project } from "./stackFile";

/** As the engine writes it, one file a lock: pkg/backend/diy/lock.go. */
interface Lock {
  pid: number;
  hostname: string;
}

/**
 * Clears what a killed engine leaves with the default backend: its lock, which would refuse every update until
 * `pulumi cancel`, its plugins and program, and half-written attributes.
 * Locks of live processes and of other machines stay, and the engine tells of them.
 */
export async function clearAfterKill(stack: string): Promise<void> {
  if (hasLogin()) return;
  const locks = path.join(stateDirectory, ".pulumi/locks/organization", project, stack);
  for (const entry of entries(locks).filter((name) => name.endsWith(".json"))) {
    const file = path.join(locks, entry);
    const { pid, hostname } = JSON.parse(fs.readFileSync(file, "utf8")) as Lock;
    if (hostname !== os.hostname() || isAlive(pid)) return;
    await endOrphanedPlugins(ownerOf(stack, root));
    for (const left of [file, `${file}.attrs`]) fs.rmSync(left, { force: true });
    say(`Stack ${stack} was locked by a pulumi that is gone (process ${pid}): its lock is taken away`);
  }
  // Attributes are written beside each file, in two steps: one that was cut off is empty, and the state cannot be read for
  // it ("failed to load checkpoint: EOF"). Without it nothing is missing.
  const states = path.join(stateDirectory, ".pulumi/stacks", project);
  for (const name of entries(states).filter((name) => name.startsWith(`${stack}.json`) && name.endsWith(".attrs"))) {
    if (fs.statSync(path.join(states, name)).size === 0) fs.rmSync(path.join(states, name));
  }
}

function entries(directory: string): string[] {
  return fs.existsSync(directory) ? fs.readdirSync(directory) : [];
}

/** Whether a process is there, whoever's it is. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
