import * as path from "node:path";
import { stringify } from "yaml";
import { cacheName } from "../../../imageCache/container";
import { mirrorsThrough } from "../../../imageCache/upstreams";
import { clusterDirectory } from "../../../lib/paths";
import type { K3dSpec } from "./spec";

/** The file that says through which registries a cluster's nodes pull images. */
export function registriesFile(name: string): string {
  return path.join(clusterDirectory(name), "registries.yaml");
}

/** Whether the nodes of a new cluster pull images through the cache of this machine. */
export function usesCache({ registryMirror, imageCache = true }: Pick<K3dSpec, "registryMirror" | "imageCache">) {
  return imageCache && registryMirror === undefined;
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
