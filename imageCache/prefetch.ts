import * as http from "node:http";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { docker } from "./docker";
import { findCache } from "./container";
import { type ImageReference, readImage } from "./images";
import { portFor } from "./upstreams";

/** The nodes' own pulls need the line too. */
const requestsAtOnce = 4;

/** How long the cache may send nothing, milliseconds. Pods wait for the images. */
const silence = 15_000;

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

interface Descriptor {
  digest: string;
  platform?: { architecture: string; os: string };
}

interface Manifest {
  /** Of an image for several platforms. */
  manifests?: Descriptor[];
  config?: Descriptor;
  layers?: Descriptor[];
}

/**
 * Requests images at the cache, so that it has them when nodes pull them. Nodes pull what fails here as usual.
 *
 * @param signal ends it
 * @returns the images that the cache now has for this machine's platform
 * @example await prefetch(["nginx:1.29"], AbortSignal.timeout(300_000));
 */
export async function prefetch(images: string[], signal: AbortSignal): Promise<string[]> {
  const ports = (await findCache())?.ports ?? {};
  const architecture = (await docker(["version", "--format", "{{.Server.Arch}}"])).trim();
  const described = new Map<string, string[]>();
  const failed = new Set<string>();
  await sideBySide(images, signal, async (image) => {
    const read = readImage(image);
    const port = ports[portFor(read.host) ?? 0];
    // A node that pulls the image gets the error too, and reports it.
    const urls = port && (await blobsOf(port, read, architecture, signal).catch(() => undefined));
    if (urls) described.set(image, urls);
  });
  // Of two requests for one blob at one time the cache keeps one, even if they are for two repositories.
  const urls = [...new Set([...described.values()].flat())];
  const byDigest = new Map(urls.map((url) => [path.basename(url), [] as string[]]));
  for (const url of urls) byDigest.get(path.basename(url))?.push(url);
  await sideBySide([...byDigest.values()], signal, async (same) => {
    for (const url of same) {
      await answerOf(url, signal)
        .then(async (answer) => {
          for await (const chunk of answer) void chunk;
        })
        .catch(() => failed.add(url));
    }
  });
  const isKept = ([, urls]: [string, string[]]) => !signal.aborted && !urls.some((url) => failed.has(url));
  return [...described].filter(isKept).map(([image]) => image);
}

/** Works on the items, some at a time, until all are done or the signal ends it. */
async function sideBySide<T>(items: T[], signal: AbortSignal, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined && !signal.aborted; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, worker));
}

/** @returns the URLs of an image's blobs, or undefined where the image has no such platform */
async function blobsOf(port: number, image: ImageReference, architecture: string, signal: AbortSignal) {
  const urlOf = (what: string) => `http://127.0.0.1:${port}/v2/${image.repository}/${what}`;
  const manifestOf = async (reference: string) =>
    JSON.parse(await text(await answerOf(urlOf(`manifests/${reference}`), signal))) as Manifest;
  let manifest = await manifestOf(image.reference);
  if (manifest.manifests) {
    const own = manifest.manifests.find(({ platform }) => platform?.os === "linux" && platform.architecture === architecture); // prettier-ignore
    if (!own) return undefined;
    manifest = await manifestOf(own.digest);
  }
  const blobs = [manifest.config, ...(manifest.layers ?? [])].filter((one) => one !== undefined);
  return blobs.map(({ digest }) => urlOf(`blobs/${digest}`));
}

/** @throws Error for any answer but 200 */
function answerOf(url: string, signal: AbortSignal): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.get(
      url,
      { headers: { accept: manifestTypes }, signal, agent: false, timeout: silence },
      (response) => {
        if (response.statusCode === 200) return resolve(response);
        response.destroy();
        reject(new Error(`${url} answers ${response.statusCode}`));
      },
    );
    request.on("timeout", () => request.destroy(new Error(`${url} sends nothing for ${silence / 1000} s`)));
    request.on("error", reject);
  });
}
