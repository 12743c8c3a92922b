import * as fs from "node:fs";
import * as path from "node:path";

/** The role of a process under `pulumi`. `cluster` is a simulated cluster's server. It does not count as a cost. */
export type Role = "engine" | "language host" | "program" | `provider ${string}` | "command" | "cluster";

/** One process, from /proc. */
export interface Process {
  pid: number;
  parent: number;
  /** CPU seconds so far. */
  cpu: number;
}

/** Linux counts CPU time in hundredths of a second for user space, on every architecture that Node.js runs on. */
const ticks = 100;

/** @example parseStat("17 (node) S 1 17 ...") */
export function parseStat(stat: string): Process {
  // The name is in parentheses and may contain anything, even parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid: Number(stat.slice(0, stat.indexOf(" "))),
    parent: Number(fields[1]),
    cpu: (Number(fields[11]) + Number(fields[12])) / ticks,
  };
}

/** CPU seconds of all ended and awaited descendants of this process. Exact, from the kernel. */
export function endedChildrenCpu(): number {
  const stat = fs.readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / ticks;
}

export function roleOf(commandLine: string[]): Role {
  const [first = "", ...rest] = commandLine.map((word) => path.basename(word));
  // A stand-in provider is a script: `node .../pulumi-resource-tls`.
  const provider = [first, ...rest].map((word) => /^pulumi-resource-([a-z]+)/.exec(word)?.[1]).find((name) => name);
  if (provider) return `provider ${provider}`;
  if (first === "pulumi") return "engine";
  if (first === "pulumi-language-nodejs") return "language host";
  if (commandLine.some((word) => word.includes("@pulumi/pulumi/cmd/run"))) return "program";
  return /^(etcd|kube-.*|kwok)$/.test(first) ? "cluster" : "command";
}

/** The process `root` and its descendants, without clusters' servers and their descendants. */
export function treeOf(root: number): { process: Process; role: Role }[] {
  const children = new Map<number, Process[]>();
  const queue: Process[] = [];
  for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const stat = read(`/proc/${pid}/stat`);
    if (!stat) continue;
    const process = parseStat(stat);
    if (process.pid === root) queue.push(process);
    children.set(process.parent, [...(children.get(process.parent) ?? []), process]);
  }
  const found: { process: Process; role: Role }[] = [];
  for (let process = queue.pop(); process; process = queue.pop()) {
    const commandLine = read(`/proc/${process.pid}/cmdline`);
    // The command line of a zombie is empty.
    if (!commandLine) continue;
    const role = roleOf(commandLine.split("\0"));
    if (role === "cluster") continue;
    found.push({ process, role });
    queue.push(...(children.get(process.pid) ?? []));
  }
  return found;
}

/** Memory in bytes. Each process gets its part of shared pages, so sums over processes are correct. */
export function memoryOf(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Undefined if the process has ended meanwhile. */
function read(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
