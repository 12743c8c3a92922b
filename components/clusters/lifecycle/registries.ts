import * as fs from "node:fs/promises";
import * as path from "node:path";
import { stringify } from "yaml";
import { cacheName } from "../../../imageCache/container";
import { mirrorsThrough } from "../../../imageCache/upstreams";
import { exists } from "../../../lib/files";
import { clusterDirectory } from "../../../lib/paths";
import type { K3dSpec } from "./spec";

/** The file that says through which registries a cluster's nodes pull images. */
export function registriesFile(name: string): string {
  return path.join(clusterDirectory(name), "registries.yaml");
}

/** Whether the nodes of a new cluster pull images through the image cache of this machine. */
export function usesCache({ registryMirror, imageCache = true }: Pick<K3dSpec, "registryMirror" | "imageCache">) {
  return imageCache && registryMirror === undefined;
}

/** Whether an existing cluster was made to use the cache. Clusters of older versions were not. */
export async function wasMadeWithCache(name: string): Promise<boolean> {
  const file = registriesFile(name);
  return (await exists(file)) && (await fs.readFile(file, "utf8")).includes(cacheName);
}

/** What k3s reads from registries.yaml. https://docs.k3s.io/installation/private-registry */
export function registriesYaml(spec: Pick<K3dSpec, "registryMirror" | "imageCache">): string {
  // Also where the cache cannot be started now: it may run later, and until then the nodes ask the upstreams.
  if (usesCache(spec)) return stringify({ mirrors: mirrorsThrough(cacheName) });
  if (!spec.registryMirror) return "{}\n";
  const { origin, pathname } = new URL(spec.registryMirror);
  const prefix = pathname.replace(/^\/|\/$/g, "");
  return stringify({
    mirrors: { "*": { endpoint: [origin], ...(prefix && { rewrite: { "^(.*)$": `${prefix}/$1` } }) } },
  });
}
