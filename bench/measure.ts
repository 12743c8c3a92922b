import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { type Environment, UserError } from "../lib/run";
import { treeOf, endedChildrenCpu, memoryOf, type Role } from "./processes";

/** The cost of one run of a program and its descendants, without the clusters' servers. */
export interface Cost {
  /** Wall time, seconds. */
  seconds: number;
  /** CPU seconds, user and system, of all ended processes. Exact, from the kernel. */
  cpu: number;
  /** The same by role, from samples. The last half second of each process is missing. */
  cpuByRole: Partial<Record<Role, number>>;
  /** Peak memory in bytes, from samples twice a second. */
  memory: number;
  /** How many processes each role had in total. */
  processes: Partial<Record<Role, number>>;
}

/** Time between samples, in milliseconds. */
const interval = 500;

/** How many lines of a failed program's output are shown. */
const lastLines = 30;

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs a program to its end and measures it.
 *
 * The kernel adds the program's CPU time to this process's ended children, so only one may be measured at a time.
 * kwokctl's servers never count: they outlive the program, and init adopts them.
 *
 * @param log file for the program's output
 * @throws UserError when the program fails or is interrupted, so that the caller can clean up
 */
export async function measure(
  command: string,
  args: string[],
  options: { env: Environment; cwd: string; log: string },
): Promise<Cost> {
  const output = fs.openSync(options.log, "a");
  const before = endedChildrenCpu();
  const began = performance.now();
  const sampler = new Sampler();
  let timer: NodeJS.Timeout | undefined;
  let forward: NodeJS.SignalsListener | undefined;
  try {
    const code = await new Promise<number>((resolve, reject) => {
      const env = { ...process.env, ...options.env };
      // In its own process group, Ctrl-C reaches the program only once, through `forward`. It can then end cleanly.
      const child = spawn(command, args, { cwd: options.cwd, env, stdio: ["ignore", output, output], detached: true });
      forward = (signal) => child.kill(signal);
      for (const signal of signals) process.on(signal, forward);
      const { pid } = child;
      if (pid !== undefined) timer = setInterval(() => sampler.sample(pid), interval);
      child.once("error", reject);
      child.once("exit", (code) => resolve(code ?? 1));
    });
    const seconds = (performance.now() - began) / 1000;
    if (code !== 0) {
      // The error shows the end of the log, because the log is deleted with the lab.
      const end = fs.readFileSync(options.log, "utf8").trimEnd().split("\n").slice(-lastLines).join("\n");
      throw new UserError(`${command} ${args.join(" ")} ended with ${code}:\n${end}`);
    }
    return { seconds, cpu: endedChildrenCpu() - before, ...sampler.result() };
  } finally {
    clearInterval(timer);
    if (forward) for (const signal of signals) process.off(signal, forward);
    fs.closeSync(output);
  }
}

/** The total cost of several runs, one after the other. */
export function together(costs: Cost[]): Cost {
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const byRole = (figures: Partial<Record<Role, number>>[]) => {
    const roles = [...new Set(figures.flatMap((one) => Object.keys(one) as Role[]))];
    return Object.fromEntries(roles.map((role) => [role, sum(figures.map((one) => one[role] ?? 0))]));
  };
  return {
    seconds: sum(costs.map(({ seconds }) => seconds)),
    cpu: sum(costs.map(({ cpu }) => cpu)),
    cpuByRole: byRole(costs.map(({ cpuByRole }) => cpuByRole)),
    memory: Math.max(...costs.map(({ memory }) => memory)),
    processes: byRole(costs.map(({ processes }) => processes)),
  };
}

class Sampler {
  private readonly seen = new Map<number, { role: Role; cpu: number }>();
  private memory = 0;

  sample(root: number): void {
    let memory = 0;
    for (const { process: found, role } of treeOf(root)) {
      memory += memoryOf(found.pid);
      // The last role counts, because a shell may turn into another program by exec.
      this.seen.set(found.pid, { role, cpu: found.cpu });
    }
    this.memory = Math.max(this.memory, memory);
  }

  result(): Pick<Cost, "cpuByRole" | "memory" | "processes"> {
    const cpuByRole: Cost["cpuByRole"] = {};
    const processes: Cost["processes"] = {};
    for (const { role, cpu } of this.seen.values()) {
      cpuByRole[role] = (cpuByRole[role] ?? 0) + cpu;
      processes[role] = (processes[role] ?? 0) + 1;
    }
    return { cpuByRole, memory: this.memory, processes };
  }
}
