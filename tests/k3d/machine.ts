/** What the k3d tests do to the machine they run on. */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** @returns what the command printed on standard output */
export async function run(command: string, ...args: string[]): Promise<string> {
  return (await execute(command, args)).stdout;
}

/** Attempts it every half a second, for two minutes. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 240; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await sleep(500);
    }
  }
}

export interface Process {
  pid: number;
  /** Its command line, words separated by a space. */
  command: string;
  /** Its environment as it was started with: `NAME=value`. Empty when it is another user's. */
  environment: string[];
}

/** Every process, but those that end while they are looked at. */
export async function processes(): Promise<Process[]> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry));
  const words = async (pid: string, file: string): Promise<string[]> =>
    (await readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "")).split("\0");
  return Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      command: (await words(pid, "cmdline")).join(" "),
      environment: await words(pid, "environ"),
    })),
  );
}
