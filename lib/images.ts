import type { CoreV1Api } from "@kubernetes/client-node" with { "resolution-mode": "import" };

/** Image with curl and a shell, of the demo's workloads. */
export const curlImage = "curlimages/curl:8.17.0";

/**
 * An image that this cluster already runs, so that no download is needed and a network with its own registry will do.
 *
 * @param otherwise the image if it runs none
 * @example await imageLike(east.core, /(^|\/)curl[:@]/, curlImage)
 */
export async function imageLike(core: CoreV1Api, pattern: RegExp, otherwise: string): Promise<string> {
  const { items } = await core.listPodForAllNamespaces();
  const images = items.flatMap((pod) => pod.spec?.containers.map((container) => container.image ?? "") ?? []);
  return images.find((image) => pattern.test(image)) ?? otherwise;
}
