import { cacheImage, cacheName, findCache, withCache, awaitAnswer } from "./container";
import { UserError } from "../lib/run";
import { docker } from "./docker";
import { contents } from "./server";

/** The content of the cache from one upstream. */
export interface UpstreamContent {
  /** Example: `docker.io` */
  name: string;
  bytes: number;
  repositories: number;
  tags: number;
}

/** Prints the size of each upstream in KiB, and a line per tag and manifest. */
const list = "du -sk * 2>/dev/null; find . -path '*/_manifests/*' -name link";

/** What the cache holds, by upstream. Empty where there is no cache. */
export function cacheContent(): Promise<UpstreamContent[]> {
  return withCache(() => content());
}

/**
 * Empties the cache, and keeps the certificates that it trusts.
 *
 * @returns the number of bytes that were freed
 */
export function clearCache(): Promise<number> {
  return withCache(async () => {
    const before = await content();
    const found = await findCache();
    if (found?.running) await docker(["container", "stop", cacheName]);
    await inVolume("find . -mindepth 1 -maxdepth 1 ! -name certificates -exec rm -rf {} +");
    if (found?.running) {
      await docker(["container", "start", cacheName]);
      await awaitAnswer();
    }
    return before.reduce((sum, { bytes }) => sum + bytes, 0);
  });
}

async function content(): Promise<UpstreamContent[]> {
  return contentIn(await inVolume(list));
}

/** Runs a shell script in the cache's volume, whether or not the cache runs. */
async function inVolume(script: string): Promise<string> {
  const volumes = await docker(["volume", "ls", "--quiet", "--filter", `name=^${cacheName}$`]);
  if (volumes.trim() === "") return "";
  const image = (await findCache())?.image ?? cacheImage();
  // docker run would pull it, and name neither the volume nor a next command when it cannot.
  if ((await docker(["image", "ls", "--quiet", image])).trim() === "") {
    const problem = `the image cache cannot be read: it has a volume ${cacheName}, but this machine lacks image ${image}`;
    const other = "export MESH_IMAGE_CACHE_IMAGE=<the same image in a registry of yours>";
    throw new UserError(`${problem}, which reads it. Next: docker pull ${image}, or ${other}`);
  }
  const flags = ["--rm", "--network", "none", "--volume", `${cacheName}:${contents}`, "--workdir", contents];
  return docker(["run", ...flags, "--entrypoint", "sh", image, "-c", script]);
}

/** Reads the output of `list`. A line of a tag: `./quay.io/docker/registry/v2/repositories/coreos/etcd/_manifests/tags/v3/current/link` */
export function contentIn(output: string): UpstreamContent[] {
  const lines = output.split("\n");
  const links = lines.flatMap((line) => {
    const [, upstream, repository, rest] = /^\.\/([^/]+)\/.*?\/repositories\/(.+?)\/_manifests\/(.+)$/.exec(line) ?? [];
    return upstream ? [{ upstream, repository, isTag: /^tags\/[^/]+\/current\//.test(rest ?? "") }] : [];
  });
  return lines.flatMap((line) => {
    const [, kibibytes, name] = /^(\d+)\t(.+)$/.exec(line) ?? [];
    if (!name || name === "certificates") return [];
    const own = links.filter(({ upstream }) => upstream === name);
    const repositories = new Set(own.map(({ repository }) => repository)).size;
    return [{ name, bytes: Number(kibibytes) * 1024, repositories, tags: own.filter(({ isTag }) => isTag).length }];
  });
}
