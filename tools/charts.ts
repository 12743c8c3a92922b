import * as fs from "node:fs";
import * as path from "node:path";
import type { Runtime } from "../config/settings";
import { cacheDirectory, root } from "../lib/paths";
import { type Environment, say } from "../lib/run";
import { isOffered } from "./findTools";

/**
 * The kwok runtime uses the real charts if their repository answers or they are cached, and the stand-ins otherwise. If
 * a checkout or a chart directory is set, or with any other runtime, the settings decide.
 */
export async function chooseCharts(runtime: Runtime, get: (setting: string) => unknown): Promise<Environment> {
  if (runtime !== "kwok" || get("linkerdCheckout") || get("chartDirectory")) return {};
  if (process.env.MESH_CHART_DIRECTORY) return {};
  const repository = String(get("chartRepository"));
  if (repository.startsWith("oci://")) return {};
  if (isChartKept(String(get("linkerdVersion"))) || (await isOffered(`${repository}/index.yaml`))) {
    say(`Charts: Linkerd's own, from ${repository}`);
    return {};
  }
  say(`Charts: ${repository} does not answer, so offline/charts stands in for Linkerd's`);
  return { MESH_CHART_DIRECTORY: path.join(root, "offline", "charts") };
}

function isChartKept(version: string): boolean {
  const charts = path.join(cacheDirectory(), "charts");
  if (!fs.existsSync(charts)) return false;
  return fs
    .readdirSync(charts, { recursive: true })
    .some((file) => String(file).endsWith(`linkerd-control-plane-${version}.tgz`));
}
