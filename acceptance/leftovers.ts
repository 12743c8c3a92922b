import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { capture, type Environment } from "../lib/run";
import { readStackFile } from "../stacks/stackFile";
import { userKubeconfig } from "../lib/userKubeconfig";
import { clusterDirectory } from "../lib/paths";
import { physicalNameOf } from "../config/physicalName";
import { networkOf } from "../config/plan";
import { mark } from "./product";

/** After an engine ends, its plugins take a moment to end as well. */
const processSeconds = 10;

/** A stack's belongings on this machine, by name. */
export interface Belongings {
  /** Names of the k3d clusters. Example: `acceptance-east` */
  clusters: string[];
  network: string;
  /** Volumes of the nodes, whose names are random. */
  volumes: string[];
}

/** Finds the belongings from the stack's containers, so these must still exist. */
export async function belongingsOf(stack: string, env: Environment): Promise<Belongings> {
  const clusters = (readStackFile(stack).get("clusters") as string[]).map((name) => physicalNameOf(stack, name));
  const mounts = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}';
  const nodes = await containersOf(clusters, env);
  const volumes = nodes.length > 0 ? await docker(env, "inspect", "--format", mounts, ...nodes) : [];
  return {
    clusters,
    network: networkOf(stack),
    volumes: [...new Set(volumes.flatMap((line) => line.split(" ")).filter(Boolean))],
  };
}

/**
 * Lists everything that the stack has left on this machine, in words.
 *
 * @param runId marks the processes of this run
 */
export async function leftovers(
  { clusters, network, volumes }: Belongings,
  env: Environment,
  runId: string,
): Promise<string[]> {
  const own = clusters.map((cluster) => `k3d-${cluster}`);
  const mine = new Set([...volumes, ...own.map((cluster) => `${cluster}-images`)]);
  const [containers, allVolumes, networks] = await Promise.all([
    containersOf(clusters, env),
    docker(env, "volume", "ls", "--format", "{{.Name}}"),
    docker(env, "network", "ls", "--format", "{{.Name}}"),
  ]);
  const named = (what: string, names: string[]) => names.map((name) => `${what} ${name}`);
  return [
    ...named("container", containers),
    ...named("volume", allVolumes.filter((name) => mine.has(name))), // prettier-ignore
    ...named("network", networks.filter((name) => name === network || own.includes(name))), // prettier-ignore
    ...named("entry of your kubeconfig", entriesOf(userKubeconfig(), own)),
    ...named("directory", clusters.map(clusterDirectory).filter((directory) => fs.existsSync(directory))), // prettier-ignore
    ...named("process", await processesLeft(runId)),
  ];
}

/** Names of the clusters' containers, running or not. One query per cluster: Docker combines labels with AND. */
async function containersOf(clusters: string[], env: Environment): Promise<string[]> {
  const lists = clusters.map((cluster) =>
    docker(env, "ps", "--all", "--filter", `label=k3d.cluster=${cluster}`, "--format", "{{.Names}}"),
  );
  return (await Promise.all(lists)).flat();
}

async function docker(env: Environment, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await capture("docker", args, { env });
  if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}: ${stderr.trim()}`);
  return stdout.split("\n").filter((line) => line.trim() !== "");
}

/** Contexts, clusters and users with these names in a kubeconfig. */
export function entriesOf(file: string, names: string[]): string[] {
  if (!fs.existsSync(file)) return [];
  const config = (parse(fs.readFileSync(file, "utf8")) ?? {}) as Record<string, { name: string }[] | null | undefined>;
  return ["contexts", "clusters", "users"].flatMap((list) =>
    (config[list] ?? []).filter(({ name }) => names.includes(name)).map(({ name }) => `${list}/${name}`),
  );
}

/** Processes of this run that do not end. Only Linux shows the environment of a process. */
async function processesLeft(runId: string): Promise<string[]> {
  if (process.platform !== "linux") return [];
  for (const end = Date.now() + processSeconds * 1000; ; await sleep(500)) {
    const left = markedProcesses(runId);
    if (left.length === 0 || Date.now() > end) return left;
  }
}

/** Processes with the run's mark in their environment. Example: `4711 pulumi-resource-kubernetes 127.0.0.1:40123` */
export function markedProcesses(runId: string): string[] {
  const read = (pid: string, file: string): string[] => {
    try {
      return fs.readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0");
    } catch {
      return []; // it has ended, or it is another user's
    }
  };
  return fs
    .readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && read(pid, "environ").includes(`${mark}=${runId}`))
    .map((pid) => `${pid} ${read(pid, "cmdline").join(" ").trim()}`);
}
