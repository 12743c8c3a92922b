import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exclusively } from "../lib/locks";
import { cacheDirectory, root } from "../lib/paths";
import { isLoopback } from "../lib/ports";
import { UserError } from "../lib/run";
import { docker } from "./docker";
import { certificates, contents, serverScript } from "./server";
import { portOf, upstreams } from "./upstreams";

/** Name of the container and its volume. Nodes reach the container by it. */
export const cacheName = "linkerd-mesh-image-cache";

/** Increase it when the container changes. The next update of any stack then makes it anew, and keeps its content. */
const version = 1;
const versionLabel = "mesh.image-cache";

/** Long enough to pull some 20 MB over a slow line, milliseconds. The creation of a cluster waits no longer. */
const pullTimeout = 60_000;
const startTimeout = 15_000;

/** The image of the cache: distribution's registry. docs/images.md says why. Default: what this project is tested with */
export function cacheImage(): string {
  return process.env.MESH_IMAGE_CACHE_IMAGE || "registry:3.1.2";
}

/** The cache's container. */
export interface CacheContainer {
  running: boolean;
  image: string;
  /** Undefined for a container that this project did not make. */
  version?: number;
  /** Docker networks of clusters that it is connected to. */
  networks: string[];
  /** Ports of this machine, on 127.0.0.1, by port in the container. */
  ports: Record<number, number>;
}

interface Inspected {
  State: { Running: boolean };
  Config: { Image: string; Labels: Record<string, string | undefined> | null };
  NetworkSettings: {
    Networks: Record<string, unknown>;
    Ports: Record<string, { HostPort: string }[] | null> | null;
  };
}

/** Returns undefined where there is no such container. */
export async function findCache(): Promise<CacheContainer | undefined> {
  const ids = await docker(["container", "ls", "--all", "--quiet", "--filter", `name=^/?${cacheName}$`]);
  if (ids.trim() === "") return undefined;
  const [found] = JSON.parse(await docker(["container", "inspect", cacheName])) as [Inspected];
  const { Image: image, Labels: labels } = found.Config;
  const ports = Object.entries(found.NetworkSettings.Ports ?? {}).flatMap(([port, hosts]) =>
    hosts?.[0] ? [[Number.parseInt(port, 10), Number(hosts[0].HostPort)] as const] : [],
  );
  return {
    running: found.State.Running,
    image,
    ...(labels?.[versionLabel] && { version: Number(labels[versionLabel]) }),
    networks: Object.keys(found.NetworkSettings.Networks).filter((network) => network !== "bridge"),
    ports: Object.fromEntries(ports),
  };
}

/** Runs `work` while no other process of this project changes the cache. */
export function withCache<T>(work: () => Promise<T>): Promise<T> {
  return exclusively(path.join(cacheDirectory(), "image-cache"), work);
}

/** How a cluster uses the cache. */
export interface CacheUse {
  /** Docker network of the cluster. Default: none */
  network?: string;
  /** File with certificates (PEM) that the cache should trust too. A relative path starts from the project. Default: none */
  caFile?: string;
  /** Whether to pull the image of the cache if this machine does not have it. Default: true */
  pulls?: boolean;
}

/**
 * Starts the cache if it does not run, and connects it to a cluster's network.
 *
 * @returns why images are pulled without it and what to type next, or undefined. Never throws
 * @example const problem = await startCache({ network: "multicluster-example" });
 */
export async function startCache({ network, caFile, pulls = true }: CacheUse = {}): Promise<string | undefined> {
  try {
    const found = await findCache();
    // Without the lock: Docker pulls an image once, and clusters made side by side wait for it together.
    if (!found || !isCurrent(found)) await getImage(pulls);
    await withCache(async () => {
      const { networks } = await runningCache();
      if (caFile) await trust(caFile);
      if (network && !networks.includes(network)) await docker(["network", "connect", network, cacheName]);
    });
    return undefined;
  } catch (error) {
    return `images are pulled without the image cache: ${(error as Error).message}`;
  }
}

/** Disconnects the cache from a network that nothing else is connected to, so that the network can be removed. */
export async function leaveNetwork(network: string): Promise<void> {
  await withCache(async () => {
    const found = await findCache();
    // A stopped container does not keep a network from being removed.
    if (!found?.running || !found.networks.includes(network)) return;
    const names = await docker(["network", "inspect", "--format", "{{range .Containers}}{{.Name}} {{end}}", network]);
    if (names.trim().split(" ").some((name) => name && name !== cacheName)) return; // prettier-ignore
    await docker(["network", "disconnect", "--force", network, cacheName]);
  });
}

async function runningCache(): Promise<CacheContainer> {
  const found = await findCache();
  if (found && found.version === undefined) {
    throw new UserError(`container ${cacheName} is another program's. Next: docker rm ${cacheName}`);
  }
  if (found && isCurrent(found)) return awaitAnswer();
  // A stopped container may be connected to a network that is gone, and then cannot start again. Its content is in a volume.
  if (found) await docker(["container", "rm", "--force", cacheName]);
  await docker(["run", ...runFlags(), cacheImage(), "-c", serverScript(upstreams)]);
  const existing = (await docker(["network", "ls", "--format", "{{.Name}}"])).split("\n");
  for (const network of (found?.networks ?? []).filter((network) => existing.includes(network))) {
    await docker(["network", "connect", network, cacheName]);
  }
  return awaitAnswer();
}

/** A newer clone's container is not replaced: it serves this one too. */
function isCurrent({ running, image, version: made = 0 }: CacheContainer): boolean {
  return running && made >= version && (!process.env.MESH_IMAGE_CACHE_IMAGE || image === cacheImage());
}

async function getImage(pulls: boolean): Promise<void> {
  const image = cacheImage();
  if ((await docker(["image", "ls", "--quiet", image])).trim() !== "") return;
  const next = `docker pull ${image}, or export MESH_IMAGE_CACHE_IMAGE=<the same image in a registry of yours>`;
  if (!pulls) throw new UserError(`its image ${image} is not on this machine. Next: ${next}`);
  try {
    await docker(["image", "pull", "--quiet", image], pullTimeout);
  } catch (error) {
    throw new UserError(`its image ${image} cannot be pulled (${(error as Error).message}). Next: ${next}`);
  }
}

function runFlags(): string[] {
  // docker takes the value of a variable without one from its own environment. So no process list shows a password.
  const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]
    .flatMap((name) => [name, name.toLowerCase()])
    .filter((name) => process.env[name] && !(/^https?:/.test(process.env[name]) && isLoopback(process.env[name])));
  const environment = [...proxies, `SSL_CERT_DIR=/etc/ssl/certs:${certificates}`, "OTEL_TRACES_EXPORTER=none"];
  return [
    ...["--detach", "--name", cacheName, "--label", `${versionLabel}=${version}`, "--restart", "unless-stopped"],
    ...["--volume", `${cacheName}:${contents}`, "--entrypoint", "sh"],
    ...environment.flatMap((variable) => ["--env", variable]),
    ...upstreams.flatMap((_, place) => ["--publish", `127.0.0.1::${portOf(place)}`]),
  ];
}

/** @throws UserError with the container's last words when a registry does not answer in time */
export async function awaitAnswer(): Promise<CacheContainer> {
  const end = Date.now() + startTimeout;
  for (;;) {
    const found = await findCache();
    const hosts = Object.values(found?.ports ?? {});
    const answers = await Promise.all(hosts.map(doesAnswer));
    if (found && hosts.length >= upstreams.length && !answers.includes(false)) return found;
    if (Date.now() > end) break;
    await sleep(200);
  }
  const log = await docker(["container", "logs", "--tail", "1", cacheName]).catch((error: Error) => error.message);
  const what = `container ${cacheName} does not answer within ${startTimeout / 1000} s (${log.trim() || "no log"})`;
  throw new UserError(`${what}. Next: docker logs ${cacheName}; docker rm --force ${cacheName} has it made anew`);
}

/** Whether a registry of the cache answers at this port of this machine. */
export function doesAnswer(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v2/`, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Adds certificates to those that the cache trusts. The registries read them when they start. */
async function trust(caFile: string): Promise<void> {
  const source = path.resolve(root, caFile);
  const digest = createHash("sha256")
    .update(await fs.readFile(source))
    .digest("hex");
  const file = `${certificates}/${digest.slice(0, 16)}.pem`;
  const isThere = await docker(["exec", cacheName, "test", "-f", file]).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await docker(["exec", cacheName, "mkdir", "-p", certificates]);
  await docker(["cp", "--quiet", source, `${cacheName}:${file}`]);
  await docker(["container", "restart", cacheName]);
  await awaitAnswer();
}
