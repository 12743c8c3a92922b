import * as fs from "node:fs/promises";
import * as path from "node:path";
import { outputOf } from "../../../lib/run";

/**
 * What one node needs, with some to spare. Measured with Linkerd on it: a server has 21 instances (containerd,
 * kubelet, API server, controllers) and 206 watches, an agent 9 and 146.
 */
const needs = {
  max_user_instances: { server: 25, agent: 11 },
  max_user_watches: { server: 275, agent: 200 },
};

/** Numbers of k3d's nodes. */
export interface Nodes {
  server: number;
  agent: number;
}

/**
 * Why this machine's inotify limits are too low for so many nodes, or undefined. With too few, the programs of the last
 * nodes end with "too many open files": https://k3d.io/stable/faq/faq/. Containers count for root of the machine.
 *
 * @param limits the kernel's directory. Elsewhere than on Linux the engine has a kernel of its own, which is not asked.
 * @example await inotifyProblem({ server: 8, agent: 0 }) // "8 servers and 0 agents of k3d need ..."
 */
export async function inotifyProblem(nodes: Nodes, limits = "/proc/sys/fs/inotify"): Promise<string | undefined> {
  for (const [limit, need] of Object.entries(needs)) {
    const text = await fs.readFile(path.join(limits, limit), "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const needed = nodes.server * need.server + nodes.agent * need.agent;
    if (Number(text) >= needed) continue;
    return (
      `${nodes.server} servers and ${nodes.agent} agents of k3d need fs.inotify.${limit} of ${needed}, but it is ` +
      `${text.trim()}. Next: sudo sysctl fs.inotify.${limit}=${Math.max(2 * needed, 512)}, or use fewer clusters`
    );
  }
  return undefined;
}

/** The running nodes of all k3d clusters but these. */
export async function otherNodes(clusters: string[]): Promise<Nodes> {
  const format = '{{.Label "k3d.role"}} {{.Label "k3d.cluster"}}';
  const lines = (await outputOf("docker", ["ps", "--filter", "label=app=k3d", "--format", format])).split("\n");
  const roles = lines.map((line) => line.split(" ")).filter(([, cluster]) => !clusters.includes(cluster ?? ""));
  const count = (role: keyof Nodes) => roles.filter(([one]) => one === role).length;
  return { server: count("server"), agent: count("agent") };
}
