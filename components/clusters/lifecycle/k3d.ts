import * as fs from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { claim, type LocalRuntime, mayClear, refuseOthers } from "./check";
import { addContext, removeContext, standalone } from "../../../lib/userKubeconfig";
import { writePrivately } from "../../../lib/files";
import { exclusively } from "../../../lib/locks";
import { clusterDirectory, ownKubeconfig, root } from "../../../lib/paths";
import { endLeftRunning } from "../../../lib/processes";
import { outputOf, UserError } from "../../../lib/run";
import { runVerb } from "../../../lib/verbs";
import { endOrphanedPlugins } from "../../../lib/orphanedPlugins";
import { isLoopback } from "../../../lib/ports";
import { type Checkout, checkoutImages } from "../../../config/checkout";
import { leaveNetwork, startCache } from "../../../imageCache/container";
import { proxyFlags } from "./proxy";
import { registriesFile, registriesYaml, usesCache } from "./registries";
import { type K3dSpec, type LocalSpec, nodesOf, variable } from "./spec";

/** Docker label with the owner of containers and networks. In base64url, because k3d reads `@` as a node filter. */
const ownerLabel = "mesh.owner";

/** Long enough to pull the nodes' images over a slow line. */
const createTimeout = "10m";

async function create(spec: K3dSpec, owner: string): Promise<void> {
  await refuseOthers(k3d, spec.name, owner);
  // Removes the remains of an interrupted run: k3d refuses a name that is taken.
  await clear(spec);
  await claim(k3d, spec, owner);
  await writePrivately(registriesFile(spec.name), registriesYaml(spec));
  // Beside k3d, so that a cache that does not come up delays no cluster.
  const cache = usesCache(spec) ? startCache({ network: spec.network, caFile: spec.caFile?.path }) : undefined;
  await startNodes(spec.name, [
    ...["cluster", "create", spec.name],
    ...["--api-port", `127.0.0.1:${spec.ports[0]}`],
    ...["--network", spec.network],
    ...(spec.ranges
      ? [
          "--k3s-arg",
          `--cluster-cidr=${spec.ranges.pods}@server:*`,
          "--k3s-arg",
          `--service-cidr=${spec.ranges.services}@server:*`,
        ]
      : []),
    ...["--servers", String(spec.servers ?? 1), "--agents", String(spec.agents ?? 0)],
    ...(spec.published ?? []).flatMap((pair) => ["--port", `127.0.0.1:${pair}@loadbalancer`]),
    ...["--k3s-arg", `--cluster-domain=${spec.domain}@server:*`],
    // The mesh installs its own Gateway API CRDs. Traefik's would clash with them from k3s 1.34 on.
    ...["--k3s-arg", "--disable=traefik@server:*"],
    ...(spec.k3sArgs ?? []).flatMap((arg) => ["--k3s-arg", `${arg}@server:*`]),
    ...["--runtime-label", `${ownerLabel}=${encode(owner)}@all:*`],
    ...["--registry-config", registriesFile(spec.name)],
    ...proxyFlags(spec, process.env),
    ...(await certificateFlags(spec)),
    ...(spec.nodeImage ? ["--image", spec.nodeImage] : []),
    // k3d's own merges are not locked, and lose contexts.
    ...["--kubeconfig-update-default=false", "--kubeconfig-switch-context=false"],
    // Without a timeout k3d waits forever for a server that dies at its start. With one it rolls everything back.
    ...["--wait", "--timeout", createTimeout],
  ]);
  const problem = await cache;
  if (problem) console.error(`warning: ${problem}`);
  if (spec.images.length > 0) await importIntoAll(spec, spec.images);

  const kubeconfig = await standalone(await runK3d(spec.name, ["kubeconfig", "get", spec.name]), spec.context);
  await addContext(kubeconfig);
  await writePrivately(ownKubeconfig(spec.name), kubeconfig);
}

/** Mounts the user's certificates where k3s, like every Go program, looks for trusted ones. */
async function certificateFlags({ name, caFile }: K3dSpec): Promise<string[]> {
  if (!caFile) return [];
  // A copy: the nodes could not start again without the file.
  const copy = path.join(clusterDirectory(name), "ca.pem");
  await fs.copyFile(path.resolve(root, caFile.path), copy);
  return ["--volume", `${copy.replaceAll("@", "\\@")}:/etc/ssl/certs/mesh-ca.pem@server:*;agent:*`];
}

async function importIntoAll(spec: K3dSpec, images: string[]): Promise<void> {
  await Promise.all(nodesOf(spec).map((node) => importImages(node, images)));
}

/**
 * Imports images of the local Docker engine into a node.
 *
 * Does not use `k3d image import`. That asks Docker whether ctr runs, and mistakes the "not yet" of a busy machine for
 * the end of ctr. The default mode then imports nothing but reports success; `direct` fails. See k3d 5.9.0,
 * `executeInNode` in pkg/runtimes/docker/node.go; https://github.com/k3d-io/k3d/issues/1484.
 *
 * @param node a container. Example: `k3d-east-server-0`
 * @throws Error with the error output of docker or ctr
 */
export async function importImages(node: string, images: string[]): Promise<void> {
  try {
    await load(node, images, "--all-platforms");
  } catch (error) {
    // Docker's containerd store saves an index that names other platforms too, but not their content. ctr then takes
    // this machine's platform only. Seen with ctr 1.6.20.
    if (!/content digest \S+: not found/.test(String(error))) throw error;
    await load(node, images);
  }
}

async function load(node: string, images: string[], ...flags: string[]): Promise<void> {
  // The exit status of ctr decides: it rejects an archive that docker save left incomplete.
  const script = `node=$1; shift; docker save "$@" | docker exec --interactive "$node" ctr image import ${flags.join(" ")} -`;
  await outputOf("sh", ["-c", script, "sh", node, ...images]);
}

async function remove(spec: K3dSpec, owner: string): Promise<void> {
  if (!(await mayClear(k3d, spec.name, owner))) return;
  await clear(spec);
  // The network may be the user's.
  await leaveNetwork(spec.network);
}

async function clear(spec: LocalSpec): Promise<void> {
  await endOrphanedPlugins();
  await fs.rm(ownKubeconfig(spec.name), { force: true });
  const left = ["create", "delete", "start", "stop"].map((verb) => `k3d cluster ${verb} ${spec.name} `);
  await endLeftRunning((command) => left.some((start) => `${command} `.startsWith(start)));
  // k3d reports no error if there is no such cluster.
  await runK3d(spec.name, ["cluster", "delete", spec.name]);
  await removeContext(spec.context);
  await fs.rm(clusterDirectory(spec.name), { recursive: true, force: true });
}

/** k3d clusters as preflight and the verbs below see them. */
export const k3d: LocalRuntime = {
  name: "k3d",
  program: "k3d",
  async find(name) {
    // Not `k3d cluster list`: its JSON leaves out labels that are not k3d's own.
    const format = `{{.Label "k3d.role"}} {{.State}} {{.Label "${ownerLabel}"}}`;
    const lines = await outputOf("docker", [
      "ps",
      "--all",
      "--filter",
      `label=k3d.cluster=${name}`,
      "--format",
      format,
    ]);
    const containers = lines.split("\n").map((line) => line.split(" "));
    const nodes = containers.filter(([role]) => role === "server" || role === "agent");
    // A k3d killed early leaves only a helper container. It belongs to nobody, and `clear` removes it.
    if (nodes.length === 0) return undefined;
    const label = nodes.map(([, , owner]) => owner).find((owner) => owner);
    return { owner: label && decode(label), running: nodes.every(([, state]) => state === "running") };
  },
  start: (name) => startNodes(name, ["cluster", "start", name]),
  stop: (name) => runK3d(name, ["cluster", "stop", name]),
  deleteCommand: (name) => `k3d cluster delete ${name}`,
};

/**
 * Runs a command of k3d that starts nodes. k3d starts the load balancer last, and then ends within seconds. It first
 * waits for a line in the balancer's log, and reads the log from the second in which Docker noted the start. A line that
 * was logged a moment before that note is waited for in vain: k3d, pkg/client/node.go, NodeStart. Then the nodes are
 * stopped and started once more. Starting alone is not enough: k3d tells CoreDNS the nodes' names only after it has
 * started a server.
 *
 * @param seconds how long k3d may take after the load balancer has started. Default: 60
 */
export async function startNodes(name: string, args: string[], seconds = 60): Promise<void> {
  const before = await balancerStart(name);
  const giveUp = new AbortController();
  const ended = runK3d(name, args, giveUp.signal).then(
    () => ({ failure: undefined }),
    (failure: Error) => ({ failure }),
  );
  let seen: number | undefined;
  for (;;) {
    const end = await Promise.race([ended, sleep((seconds * 1000) / 30, undefined, { ref: false })]);
    if (end) {
      if (giveUp.signal.aborted) break;
      if (end.failure) throw end.failure;
      return;
    }
    const started = await balancerStart(name);
    if (started && started !== before) seen ??= Date.now();
    if (seen !== undefined && Date.now() - seen > seconds * 1000) giveUp.abort();
  }
  await runK3d(name, ["cluster", "stop", name]);
  await runK3d(name, ["cluster", "start", name, "--timeout", "3m"]);
}

/** When Docker started the cluster's running load balancer. Empty if none runs, or Docker does not say: k3d reports that. */
async function balancerStart(name: string): Promise<string> {
  const filters = ["--filter", `label=k3d.cluster=${name}`, "--filter", "label=k3d.role=loadbalancer"];
  try {
    const id = (await outputOf("docker", ["ps", "--quiet", ...filters])).trim();
    return id && (await outputOf("docker", ["inspect", "--format", "{{.State.StartedAt}}", id]));
  } catch {
    return "";
  }
}

/**
 * Why Docker cannot be used, in one sentence, or undefined.
 */
export async function dockerProblem(): Promise<string | undefined> {
  try {
    await outputOf("docker", ["version", "--format", "{{.Server.Version}}"]);
    return remoteProblem(await endpoint());
  } catch (error) {
    const text = String(error);
    if (/is not on PATH/.test(text)) return "runtime is k3d, but docker is not installed. Next: install Docker";
    if (/permission denied.*(docker daemon|docker api|\.sock)/is.test(text)) {
      return (
        "runtime is k3d, but you may not use Docker's socket. " +
        "Next: sudo usermod -aG docker $USER, and log in again"
      );
    }
    if (/cannot connect|connection refused|no such host|failed to connect/i.test(text)) {
      return "runtime is k3d, but no Docker engine answers. Next: start Docker, or docker context ls";
    }
    return `runtime is k3d, but docker version fails: ${text}`;
  }
}

/** The address of the engine that docker and k3d use. The current Docker context names it, else DOCKER_HOST. */
async function endpoint(): Promise<string> {
  const format = "{{.Endpoints.docker.Host}}";
  // podman's docker has no contexts.
  const shown = await outputOf("docker", ["context", "inspect", "--format", format]).catch(() => "");
  return shown.trim() || (process.env.DOCKER_HOST ?? "");
}

/** Why an engine at this address cannot be used: the clusters' ports are on the loopback address of its machine. */
function remoteProblem(address: string): string | undefined {
  if (!/^(tcp|ssh|https?):/.test(address) || !URL.canParse(address)) return undefined;
  if (!address.startsWith("ssh:") && isLoopback(address)) return undefined;
  return (
    `runtime is k3d, but the Docker engine ${address} is on another machine, where this one cannot reach the clusters; ` +
    "allowed: an engine of this machine. Next: docker context ls, and docker context use <context>, or unset DOCKER_HOST"
  );
}

/**
 * Where k3d finds the engine's socket to mount into helper containers. k3d knows Docker's contexts, but takes the socket
 * from its usual path (pkg/runtimes/docker/docker.go, GetRuntimePath). On macOS the engine runs in a virtual machine,
 * where the socket is at that path.
 */
async function socketEnvironment(): Promise<Record<string, string>> {
  if (process.env.DOCKER_SOCK || process.platform !== "linux") return {};
  const socket = /^unix:\/\/(.+)$/.exec(await endpoint())?.[1];
  // Docker Desktop for Linux runs in a virtual machine too.
  return socket && !socket.includes("/.docker/desktop/") ? { DOCKER_SOCK: socket } : {};
}

/**
 * Why these images cannot be imported into a node, or undefined. Example: `await imagesProblem(["my/app:1"])`
 */
export async function imagesProblem(images: string[]): Promise<string | undefined> {
  const missing = await missingImages(images);
  if (missing.length === 0) return undefined;
  return (
    `images names ${missing.join(", ")}, which the local Docker engine does not have. ` +
    `Next: docker pull ${missing[0]}, or docker build --tag ${missing[0]} .`
  );
}

/** Why a checkout's images cannot be imported into a node, or undefined. */
export async function checkoutProblem({ checkout, tag }: Checkout): Promise<string | undefined> {
  const missing = await missingImages(checkoutImages({ tag }));
  if (missing.length === 0) return undefined;
  return (
    `linkerdCheckout is ${checkout}, but the local Docker engine does not have its images ${missing.join(", ")}. ` +
    `Next: (cd ${checkout} && bin/docker-build-proxy && bin/docker-build-controller)`
  );
}

async function missingImages(images: string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const image of images) {
    await outputOf("docker", ["image", "inspect", "--format", "{{.Id}}", image]).catch((error: Error) => {
      if (!/no such image/i.test(error.message)) throw error;
      missing.push(image);
    });
  }
  return missing;
}

async function createNetwork(name: string, owner: string): Promise<void> {
  const refused = await networkProblem(name, owner);
  if (refused) throw new UserError(refused);
  if ((await networkOwner(name)) === owner) return;
  await outputOf("docker", ["network", "create", "--label", `${ownerLabel}=${encode(owner)}`, name]);
}

/** Why this network is not touched, or undefined. */
export async function networkProblem(name: string, owner: string): Promise<string | undefined> {
  const found = await networkOwner(name);
  if (found === undefined || found === owner) return undefined;
  return (
    `Docker network ${name} belongs to ${found || "someone else (no stack made it)"}, but this is ${owner}; it is ` +
    `left alone. Next: use a stack of another name (npm start -- <name>), or docker network rm ${name}`
  );
}

async function removeNetwork(name: string, owner: string): Promise<void> {
  if ((await networkOwner(name)) !== owner) return;
  await leaveNetwork(name);
  await outputOf("docker", ["network", "rm", name]);
}

/** @returns undefined where there is no such network, "" where no stack made it */
async function networkOwner(name: string): Promise<string | undefined> {
  // Docker's name filter finds parts of names too.
  const format = `{{.Name}} {{.Label "${ownerLabel}"}}`;
  const lines = await outputOf("docker", ["network", "ls", "--filter", `name=${name}`, "--format", format]);
  const line = lines.split("\n").find((candidate) => candidate.split(" ")[0] === name);
  return line === undefined ? undefined : decode(line.split(" ")[1] ?? "");
}

/**
 * Runs k3d with its own kubeconfig and temporary directory. It edits the default kubeconfig without a lock when it
 * deletes a cluster, and leaves files in the temporary directory. Both are in the cluster's directory, so files left by
 * a killed k3d are removed with the cluster.
 */
async function runK3d(cluster: string, args: string[], signal?: AbortSignal): Promise<string> {
  const scratch = path.join(clusterDirectory(cluster), "k3d");
  await fs.mkdir(scratch, { recursive: true });
  try {
    const env = { KUBECONFIG: path.join(scratch, "kubeconfig"), TMPDIR: scratch, ...(await socketEnvironment()) };
    return await outputOf("k3d", args, env, { signal });
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
}

const encode = (text: string) => Buffer.from(text).toString("base64url");
const decode = (text: string) => Buffer.from(text, "base64url").toString();

if (require.main === module) {
  const owner = variable("MESH_OWNER");
  const cluster = (work: (spec: K3dSpec) => Promise<void>) => () => {
    const spec = JSON.parse(variable("MESH_CLUSTER")) as K3dSpec;
    return exclusively(clusterDirectory(spec.name), () => work(spec));
  };
  void runVerb({
    claim: cluster((spec) => claim(k3d, spec, owner)),
    create: cluster((spec) => create(spec, owner)),
    update: () => Promise.resolve(),
    "import-images": cluster((spec) => importIntoAll(spec, JSON.parse(variable("MESH_IMAGES")) as string[])),
    delete: cluster((spec) => remove(spec, owner)),
    kubeconfig: cluster(async ({ name }) => void process.stdout.write(await fs.readFile(ownKubeconfig(name), "utf8"))),
    "create-network": () => createNetwork(variable("MESH_NETWORK"), owner),
    "delete-network": () => removeNetwork(variable("MESH_NETWORK"), owner),
  });
}
