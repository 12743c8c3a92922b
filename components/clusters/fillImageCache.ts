import * as pulumi from "@pulumi/pulumi";
import { startCache } from "../../imageCache/container";
import { prefetch } from "../../imageCache/prefetch";
import type { ClustersArgs } from ".";
import { k3d } from "./lifecycle/k3d";
import { usesCache, wasMadeWithCache } from "./lifecycle/registries";

/** Nodes then pull the rest themselves, milliseconds. */
const prefetchTimeout = 300_000;

/**
 * Fills the image cache while new clusters start, and starts it for those that were made to use it. Run it beside the
 * update: it never fails.
 *
 * @param images names those of the whole graph. Called only where they are requested
 * @returns a promise of the moment from which pods may start. The cache passes two pulls of one image at one time on to
 *   the upstream, so nodes that pulled meanwhile would fetch everything again
 * @example const imagesReady = fillImageCache({ plan, settings }, () => Mesh.images("mesh", args));
 */
export async function fillImageCache(
  { plan, settings }: Pick<ClustersArgs, "plan" | "settings">,
  images: () => string[],
): Promise<void> {
  if (plan.runtime !== "k3d" || pulumi.runtime.isDryRun() || !usesCache(settings)) return;
  try {
    const names = plan.clusters.map(({ physicalName }) => physicalName);
    const found = await Promise.all(names.map((name) => k3d.find(name)));
    const isNew = found.includes(undefined);
    if (!isNew && !(await Promise.all(names.map(wasMadeWithCache))).includes(true)) return;
    const { caFile } = settings;
    // The creation of a cluster connects its network. A pull could last longer than an update that makes no cluster.
    const problem = await startCache(isNew ? { caFile } : { caFile, network: plan.network, pulls: false });
    if (!problem && isNew) {
      const wanted = images();
      const kept = await prefetch(wanted, AbortSignal.timeout(prefetchTimeout));
      const missing = wanted.filter((image) => !kept.includes(image));
      if (missing.length > 0) await pulumi.log.debug(`image cache: could not get ${missing.join(", ")}`);
    }
    // The creation of a cluster reports it too.
    if (problem && !isNew) await pulumi.log.warn(problem);
  } catch (error) {
    await pulumi.log.debug(`image cache: ${String(error)}`);
  }
}
