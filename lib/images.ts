import type { CoreV1Api } from "@kubernetes/client-node" with { "resolution-mode": "import" };

/**
 * An image that this cluster already runs, so that no download is needed and a network with its own registry will do.
 *
 * @param otherwise the image if it runs none
 * @example await imageLike(east.core, /(^|\/)nginx[:@]/, "nginx:1.29")
 */
export async function imageLike(core: CoreV1Api, pattern: RegExp, otherwise: string): Promise<string> {
  const { items } = await core.listPodForAllNamespaces();
  const images = items.flatMap((pod) => pod.spec?.containers.map((container) => container.image ?? "") ?? []);
  return images.find((image) => pattern.test(image)) ?? otherwise;
}

/** An image with curl and a shell. That of the demo's workloads if the cluster runs none. */
export function curlImageOf(core: CoreV1Api): Promise<string> {
  return imageLike(core, /(^|\/)curl[:@]/, "curlimages/curl:8.17.0");
}
