import { readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { capture, outputOf } from "./run";

export interface OwnProcess {
  pid: number;
  /** The process that started it, or 1 if that has ended. */
  parent: number;
  /** Its command line, words separated by a space. */
  command: string;
}

/**
 * This user's processes, without zombies: in a container without an init, nothing reaps orphans.
 */
export async function ownProcesses(): Promise<OwnProcess[]> {
  const list = await outputOf("ps", ["-ww", "-U", String(process.getuid?.()), "-o", "pid=,ppid=,args="]);
  return list.split("\n").flatMap((line) => {
    const [, pid, parent, command] = /^ *(\d+) +(\d+) (.*)$/.exec(line) ?? [];
    if (command === undefined || command.endsWith("<defunct>")) return [];
    return [{ pid: Number(pid), parent: Number(parent), command }];
  });
}

/** A process's working directory without symbolic links. Undefined if the process has ended or is another user's. */
export async function workingDirectory(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") return readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  // macOS has no /proc. lsof prints fields by line: `p4711`, `fcwd`, `n/home/alice/mesh`.
  const { stdout } = await capture("lsof", ["-a", "-p", String(pid), "-d", "cwd", "-Fn"]);
  return /^n(.*)$/m.exec(stdout)?.[1];
}

/**
 * Ends programs that still run after their parent was killed: a leftover k3d would collide with the next one. Call it
 * under the cluster's lock, where no other process of its kind runs.
 *
 * @param isLeft gets a command line. Example: `(command) => command.startsWith("k3d cluster create east ")`
 */
export async function endLeftRunning(isLeft: (command: string) => boolean): Promise<void> {
  for (const { pid, command } of await ownProcesses()) if (isLeft(command)) await endProcess(pid);
}

/**
 * Kills a process, and waits until it is gone.
 *
 * @throws Error when it still runs after five seconds
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
  throw new Error(`process ${pid} still runs five seconds after SIGKILL`);
}
