import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const exec = promisify(execFile);

/**
 * Runs a program to its end.
 *
 * @param input what it reads on standard input
 * @returns what it printed on standard output
 * @throws Error with its command line, exit status and standard error
 */
export async function run(
  file: string,
  args: string[],
  env: Record<string, string> = {},
  input?: string,
): Promise<string> {
  try {
    // Meant for the engine (cli/backend.ts); API servers would live with them as long as they run.
    const inherited = { ...process.env };
    delete inherited.GOGC;
    delete inherited.GOMEMLIMIT;
    const running = exec(file, args, { maxBuffer: 64 * 1024 * 1024, env: { ...inherited, ...env } });
    // One that ends without reading says why on standard error.
    if (input !== undefined) running.child.stdin?.on("error", () => undefined).end(input);
    return (await running).stdout;
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
  for (const { pid, command } of await ownProcesses()) if (isLeft(command)) await endProcess(pid);
}

export interface OwnProcess {
  pid: number;
  /** The process that started it, or 1 (or another that takes in orphans) where that is gone. */
  parent: number;
  /** Its command line, words separated by a space. */
  command: string;
}

/**
 * This user's processes, without those that ended and stay in the list until somebody takes note, which nobody does of orphans
 * in a container without an init.
 */
export async function ownProcesses(): Promise<OwnProcess[]> {
  const list = await run("ps", ["-ww", "-U", String(process.getuid?.()), "-o", "pid=,ppid=,args="]);
  return list.split("\n").flatMap((line) => {
    const [, pid, parent, command] = /^ *(\d+) +(\d+) (.*)$/.exec(line) ?? [];
    return command === undefined || command.endsWith("<defunct>")
      ? []
      : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}

/**
 * Kills a process, and waits until it is gone.
 *
 * @throws Error when it runs five seconds later
 */
export async function endProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return;
    throw error;
  }
  for (let left = 100; left > 0; left--) {
    if (!(await ownProcesses()).some((one) => one.pid === pid)) return;
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
