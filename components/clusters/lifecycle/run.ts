import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const exec = promisify(execFile);

/**
 * Runs a program to its end.
 *
 * @returns what it printed on standard output
 * @throws Error with its command line, exit status and standard error
 */
export async function run(file: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  try {
    // Meant for the engine (cli/backend.ts); API servers would live with them as long as they run.
    const inherited = { ...process.env };
    delete inherited.GOGC;
    delete inherited.GOMEMLIMIT;
    const { stdout } = await exec(file, args, { maxBuffer: 64 * 1024 * 1024, env: { ...inherited, ...env } });
    return stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: string | number; stderr?: string };
    if (code === "ENOENT")
      throw new Error(`${file} is not on PATH. Next: npm start, which brings it, or install it`, { cause: error });
    throw new Error(`${[file, ...args].join(" ")} ended with ${code}: ${stderr?.trim() ?? String(error)}`, {
      cause: error,
    });
  }
}

/**
 * Ends programs of this user that run on after whoever started them was killed: a k3d that goes on, or takes back what it
 * made, would meet its successor. To be called under the cluster's lock, where nobody else's are running.
 *
 * @param isLeft told a command line. Example: `(command) => command.startsWith("k3d cluster create east ")`
 */
export async function endLeftRunning(isLeft: (command: string) => boolean): Promise<void> {
  for (const { pid, command } of await ownProcesses()) if (isLeft(command)) await end(pid);
}

/** This user's processes, with their command lines. */
export async function ownProcesses(): Promise<{ pid: number; command: string }[]> {
  const list = await run("ps", ["-ww", "-U", String(process.getuid?.()), "-o", "pid=,args="]);
  return list.split("\n").flatMap((line) => {
    const [, pid, command] = /^ *(\d+) (.*)$/.exec(line) ?? [];
    return pid === undefined || command === undefined ? [] : [{ pid: Number(pid), command }];
  });
}

async function end(pid: number): Promise<void> {
  for (let left = 100; left > 0; left--) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") return;
      throw error;
    }
    await sleep(50);
  }
  throw new Error(`process ${pid} does not end`);
}

/** Runs the verb that the command line names. */
export async function main(verbs: Record<string, () => Promise<void>>): Promise<void> {
  const verb = verbs[process.argv[2] ?? ""];
  if (!verb) throw new Error(`allowed: ${Object.keys(verbs).join(", ")}`);
  await verb().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
