import { outputOf } from "../lib/run";
import { type Spread, spreadOf } from "./statistics";

/** What the node containers of a mesh use, all together. */
export interface NodeUse {
  clusters: number;
  /** Bytes of their processes: anonymous pages, without the page cache. */
  processes: number;
  /** Bytes without the part of the page cache that is not in use, as `docker stats` shows them. */
  workingSet: number;
  /** CPU seconds since the containers were started. */
  cpu: number;
}

/** Of cgroup v2, then of v1. A container sees its own cgroup at the root. */
const files = ["cpu.stat", "memory.current", "memory.stat"].map((file) => `/sys/fs/cgroup/${file}`);
const filesOfV1 = ["cpuacct/cpuacct.usage", "memory/memory.usage_in_bytes", "memory/memory.stat"].map(
  (file) => `/sys/fs/cgroup/${file}`,
);

/** Reads the use of all containers of these k3d clusters, load balancers included. */
export async function useOf(clusters: string[]): Promise<NodeUse> {
  const total: NodeUse = { clusters: clusters.length, processes: 0, workingSet: 0, cpu: 0 };
  for (const cluster of clusters) {
    const list = ["ps", "--filter", `label=k3d.cluster=${cluster}`, "--format", "{{.Names}}"];
    for (const container of (await outputOf("docker", list)).split("\n").filter(Boolean)) {
      // `|| :` because only the files of one version are there.
      const script = 'for file; do echo "$file"; cat "$file" 2>/dev/null || :; done';
      const shown = await outputOf("docker", ["exec", container, "sh", "-c", script, "sh", ...files, ...filesOfV1]);
      const { processes, workingSet, cpu } = parseCgroup(shown);
      total.processes += processes;
      total.workingSet += workingSet;
      total.cpu += cpu;
    }
  }
  return total;
}

/** @param shown each file's path, followed by its content */
export function parseCgroup(shown: string): Omit<NodeUse, "clusters"> {
  const contents = Object.fromEntries(
    shown.split(/^\/sys\/fs\/cgroup\//m).map((part) => {
      const end = part.indexOf("\n");
      return [part.slice(0, end), part.slice(end + 1)];
    }),
  );
  const field = (file: string, name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, "m").exec(contents[file] ?? "")?.[1] ?? 0);
  if (contents["memory.current"]) {
    return {
      processes: field("memory.stat", "anon"),
      workingSet: Number(contents["memory.current"]) - field("memory.stat", "inactive_file"),
      cpu: field("cpu.stat", "usage_usec") / 1e6,
    };
  }
  const stat = "memory/memory.stat";
  return {
    processes: field(stat, "total_rss"),
    workingSet: Number(contents["memory/memory.usage_in_bytes"]) - field(stat, "total_inactive_file"),
    cpu: Number(contents["cpuacct/cpuacct.usage"]) / 1e9,
  };
}

/** What the nodes of a mesh cost in one round. */
export interface NodeCost {
  /** When the update has ended. */
  use: NodeUse;
  /** CPU seconds of the nodes per second, for a while after that. */
  idle: number;
  /** Part of the machine's CPU time that nodes and program used during the update. 1: all cores, all the time. */
  busy: number;
}

/** Markdown, medians of the rounds. */
export function nodesTable(costs: Map<string, NodeCost[]>): string[] {
  const median = (rounds: NodeCost[], value: (cost: NodeCost) => number): Spread["median"] =>
    spreadOf(rounds.map(value)).median;
  return [
    "| nodes of | MB per cluster: processes | working set | CPU s of the nodes until up | cores in use while idle | machine's CPU in use during up |",
    "|---|---|---|---|---|---|",
    ...[...costs].map(([mesh, rounds]) => {
      const megabytes = (value: (cost: NodeCost) => number) => (median(rounds, value) / 1e6).toFixed(0);
      return [
        `| ${mesh}`,
        megabytes(({ use }) => use.processes / use.clusters),
        megabytes(({ use }) => use.workingSet / use.clusters),
        median(rounds, ({ use }) => use.cpu).toFixed(0),
        median(rounds, ({ idle }) => idle).toFixed(2),
        `${(median(rounds, ({ busy }) => busy) * 100).toFixed(0)} % |`,
      ].join(" | ");
    }),
  ];
}
