import * as http from "node:http";
import { text } from "node:stream/consumers";
import { docker } from "./docker";
import { findCache } from "./container";
import { type ImageReference, readImage } from "./images";
import { portFor } from "./upstreams";

/** How many images are requested side by side: the nodes' own pulls need the line too. */
const sideBySide = 4;

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
  const waiting = [...images];
  const kept: string[] = [];
  const work = async () => {
    for (let image = waiting.shift(); image !== undefined && !signal.aborted; image = waiting.shift()) {
      const read = readImage(image);
      const port = ports[portFor(read.host) ?? 0];
      if (port === undefined) continue;
      // A node that pulls the image gets the error too, and reports it.
      const isKept = await fetchImage(port, read, architecture, signal).catch(() => false);
      if (isKept) kept.push(image);
    }
  };
  await Promise.all(Array.from({ length: sideBySide }, work));
  return kept;
}

/** @returns false where the image has no such platform */
async function fetchImage(port: number, image: ImageReference, architecture: string, signal: AbortSignal) {
  const get = (what: string) => answerOf(`http://127.0.0.1:${port}/v2/${image.repository}/${what}`, signal);
  const manifestOf = async (reference: string) =>
    JSON.parse(await text(await get(`manifests/${reference}`))) as Manifest;
  let manifest = await manifestOf(image.reference);
  if (manifest.manifests) {
    const own = manifest.manifests.find(({ platform }) => platform?.os === "linux" && platform.architecture === architecture); // prettier-ignore
    if (!own) return false;
    manifest = await manifestOf(own.digest);
  }
  for (const { digest } of [manifest.config, ...(manifest.layers ?? [])].filter((one) => one !== undefined)) {
    for await (const chunk of await get(`blobs/${digest}`)) void chunk;
  }
  return true;
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
