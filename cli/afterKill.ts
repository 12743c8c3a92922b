import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { answers } from "../components/clusters/lifecycle/check";
import { stateDirectory } from "./paths";
import { hasLogin } from "./pulumiHome";
import { capture, say } from "./run";
import { project } from "./stackFile";

/** As the engine writes it, one file a lock: pkg/backend/diy/lock.go. */
interface Lock {
  pid: number;
  hostname: string;
}

/**
 * Clears what a killed engine leaves with the default backend: its lock, which would refuse every update until
 * `pulumi cancel`, its plugins, which would notice within five minutes, and its program.
 * Locks of live processes and of other machines stay, and the engine tells of them.
 */
export async function clearAfterKill(stack: string): Promise<void> {
  if (hasLogin()) return;
  const directory = path.join(stateDirectory, ".pulumi/locks/organization", project, stack);
  if (!fs.existsSync(directory)) return;
  for (const entry of fs.readdirSync(directory)) {
    const file = path.join(directory, entry);
    const { pid, hostname } = JSON.parse(fs.readFileSync(file, "utf8")) as Lock;
    if (hostname !== os.hostname() || isAlive(pid)) continue;
    await endPluginsWithoutEngine();
    fs.rmSync(file, { force: true });
    say(`Stack ${stack} was locked by a pulumi that is gone (process ${pid}): its lock is taken away`);
  }
}

/** Plugins and language hosts have their engine's address as last argument, the program as an option. */
const withEngine =
  /pulumi-(?:resource|language)-.* 127\.0\.0\.1:(\d+)$|@pulumi\/pulumi\/cmd\/run.* --engine 127\.0\.0\.1:(\d+)/;

/** Ends plugins, language hosts and programs whose engine does not answer any more. */
async function endPluginsWithoutEngine(): Promise<void> {
  const { stdout } = await capture("ps", ["-ww", "-U", String(process.getuid?.()), "-o", "pid=,args="]);
  for (const line of stdout.split("\n")) {
    const [, pluginsEngine, programsEngine] = withEngine.exec(line) ?? [];
    const engine = Number(pluginsEngine ?? programsEngine);
    const pid = Number.parseInt(line);
    if (engine && !(await answers(engine)) && isAlive(pid)) process.kill(pid, "SIGKILL");
  }
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
