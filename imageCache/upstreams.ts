/** Where images come from. */
export interface Upstream {
  /** URL of the registry. Example: `https://registry-1.docker.io` */
  url: string;
  /** Hosts in the names of its images. The first one names the upstream. Example: `["docker.io"]` */
  hosts: [string, ...string[]];
}

/**
 * The registries whose images the cache keeps. Nodes pull from all others directly.
 *
 * Add a new one at the end: the place decides the port, and nodes keep the ports that they were made with. Then increase
 * `version` in container.ts.
 */
export const upstreams: Upstream[] = [
  // docker.l5d.io and cr.l5d.io redirect to these: https://github.com/BuoyantIO/emojivoto/pull/100
  { url: "https://registry-1.docker.io", hosts: ["docker.io", "docker.l5d.io"] },
  { url: "https://ghcr.io", hosts: ["ghcr.io", "cr.l5d.io"] },
  { url: "https://quay.io", hosts: ["quay.io"] },
  { url: "https://registry.k8s.io", hosts: ["registry.k8s.io"] },
  { url: "https://gcr.io", hosts: ["gcr.io"] },
  { url: "https://public.ecr.aws", hosts: ["public.ecr.aws"] },
  { url: "https://mcr.microsoft.com", hosts: ["mcr.microsoft.com"] },
  { url: "https://registry.gitlab.com", hosts: ["registry.gitlab.com"] },
];

/** The port in the cache's container that serves an upstream. */
export const portOf = (place: number) => 5001 + place;

/** The port for images of this host, or undefined where the cache does not keep them. Example: `portFor("ghcr.io")` */
export function portFor(host: string): number | undefined {
  const place = upstreams.findIndex(({ hosts }) => hosts.includes(host));
  return place < 0 ? undefined : portOf(place);
}

/**
 * The mirrors in a node's registries.yaml. containerd asks the upstream itself when the mirror does not answer, or does
 * not have the image. One entry per host: k3s loses this fallback for the entry `*` (https://github.com/k3s-io/k3s/issues/11857).
 * https://docs.k3s.io/installation/private-registry
 *
 * @param cache host name of the cache on the nodes' network
 * @example mirrorsThrough("linkerd-mesh-image-cache") // { "docker.io": { endpoint: ["http://linkerd-mesh-image-cache:5001"] }, ... }
 */
export function mirrorsThrough(cache: string): Record<string, { endpoint: string[] }> {
  const mirrors = upstreams.flatMap(({ hosts }, place): [string, { endpoint: string[] }][] =>
    hosts.map((host) => [host, { endpoint: [`http://${cache}:${portOf(place)}`] }]),
  );
  return Object.fromEntries(mirrors);
}
