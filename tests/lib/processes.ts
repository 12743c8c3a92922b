import { readdir, readFile } from "node:fs/promises";

export interface Process {
  pid: number;
  /** Its command line, words separated by a space. */
  command: string;
  /** Its environment as it was started with: `NAME=value`. Empty when it is another user's. */
  environment: string[];
}

/** Every process, except those that end during the search. */
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
