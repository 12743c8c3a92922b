import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { client } from "./api";
import { UsageError, type Stack } from "./stack";
import type { Deadline } from "./watch";

const exec = promisify(execFile);

export interface Outcome {
  code: number;
  /** The lines that say what failed. */
  failures: string;
}

/** Hands a kubeconfig to a program in a file that only its owner can read, and takes the file away again. */
async function withKubeconfig<T>(kubeconfig: string, use: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "mesh-verify-"));
  try {
    const file = join(folder, "kubeconfig");
    await writeFile(file, kubeconfig, { mode: 0o600 });
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Runs the user's `linkerd` against one cluster.
 *
 * @returns undefined when there is no `linkerd` on PATH
 */
export async function linkerdCheck(
  kubeconfig: string,
  args: string[],
  deadline: Deadline,
): Promise<Outcome | undefined> {
  return withKubeconfig(kubeconfig, async (file) => {
    try {
      const command = [...args, "--kubeconfig", file, "--wait", `${Math.ceil(deadline.leftMs() / 2000)}s`];
      await exec("linkerd", command, { signal: deadline.signal, timeout: deadline.leftMs() });
      return { code: 0, failures: "" };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
      if (code === "ENOENT") return undefined;
      const lines = `${stdout ?? ""}\n${stderr ?? ""}`.split("\n").filter((line) => /^\s*[×‼]/.test(line));
      return {
        code: typeof code === "number" ? code : 1,
        failures: lines.map((line) => line.trim()).join("; ") || "it did not end in time",
      };
    }
  });
}

/**
 * `--linkerd`: runs the user's own `linkerd multicluster check` where the names in the links resolve, once a cluster.
 * On k3d that is a container on the clusters' network, started from the image the clusters already run and without
 * bind mounts, so that a Docker engine on another machine does as well. Elsewhere it is this machine.
 *
 * @returns the exit code: 0 only if every cluster passed
 * @throws UsageError where it cannot run
 */
export async function multiclusterCheck(stack: Stack): Promise<number> {
  if (stack.runtime === "kwok") {
    throw new UsageError(
      `--linkerd: stack ${stack.name} runs on kwok, whose pods are simulated; it needs k3d or existing`,
    );
  }
  const binary = await linkerdBinary();
  let worst = 0;
  for (const [name, kubeconfig] of Object.entries(stack.kubeconfigs)) {
    console.log(`\n${name}: linkerd multicluster check`);
    const code = await withKubeconfig(await reachable(stack, name, kubeconfig), (file) =>
      stack.runtime === "k3d"
        ? inContainer(stack, name, binary, file)
        : run(binary, ["multicluster", "check", "--kubeconfig", file]),
    );
    worst = Math.max(worst, code);
  }
  return worst;
}

/** Inside the network the API server has another address than on the host. */
async function reachable(stack: Stack, name: string, kubeconfig: string): Promise<string> {
  const server = stack.clusters[name]?.apiServer;
  if (stack.runtime !== "k3d" || server === undefined) return kubeconfig;
  const { KubeConfig } = await client();
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster || !user) throw new UsageError(`kubeconfigs: ${name} has no current context`);
  config.loadFromClusterAndUser({ ...cluster, server }, user);
  return config.exportConfig();
}

async function linkerdBinary(): Promise<string> {
  const chosen = process.env["LINKERD"];
  if (chosen) return chosen;
  try {
    return (await exec("sh", ["-c", "command -v linkerd"])).stdout.trim();
  } catch {
    throw new UsageError(
      "--linkerd: there is no `linkerd` on PATH\nNext: LINKERD=/path/to/linkerd npm run verify -- --linkerd (on k3d a Linux binary)",
    );
  }
}

/** `docker create`, `cp`, `start`: the binary and the kubeconfig travel through the API, and go with the container. */
async function inContainer(stack: Stack, name: string, binary: string, kubeconfig: string): Promise<number> {
  const node = `${stack.clusters[name]?.context}-server-0`;
  const format = "{{.Config.Image}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
  const [image, network] = (await exec("docker", ["inspect", "--format", format, node])).stdout.trim().split(" ");
  if (!image || !network)
    throw new UsageError(`--linkerd: docker knows no network of ${node}\nNext: docker inspect ${node}`);
  const args = ["create", "--network", network, "--entrypoint", "/linkerd", image];
  const check = ["multicluster", "check", "--kubeconfig", "/kubeconfig"];
  const container = (await exec("docker", [...args, ...check])).stdout.trim();
  try {
    await exec("docker", ["cp", "--follow-link", binary, `${container}:/linkerd`]);
    await exec("docker", ["cp", kubeconfig, `${container}:/kubeconfig`]);
    return await run("docker", ["start", "--attach", container]);
  } finally {
    await exec("docker", ["rm", "--force", container]);
  }
}

function run(command: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    spawn(command, args, { stdio: "inherit" })
      .on("error", reject)
      .on("exit", (code) => resolve(code ?? 1));
  });
}
