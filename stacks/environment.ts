import * as fs from "node:fs";
import * as path from "node:path";
import type { Runtime } from "../config/settings";
import { cacheDirectory, root } from "../lib/paths";
import { type Environment, say } from "../lib/run";
import { isOffered } from "../tools/findTools";
import { prepareTools, searching } from "../tools/prepare";
import { backendEnvironment } from "./backend";
import { readStackFile, type StackSettings } from "./stackFile";

/** Prepares the tools and returns the environment in which pulumi finds them, the state and the charts. */
export async function stackEnvironment(stack: string, runtime: Runtime): Promise<Environment> {
  const tools = searching(await prepareTools(runtime));
  return { ...(await pulumiEnvironment(stack, runtime)), ...tools };
}

/** The same without the tools: where the state is, how engine and provider run, and which charts. */
export async function pulumiEnvironment(stack: string, runtime: Runtime): Promise<Environment> {
  const charts = await chooseCharts(runtime, readStackFile(stack));
  return { ...backendEnvironment(), ...providerEnvironment(runtime), ...charts };
}

/**
 * What the kubernetes provider is told for clusters of ours, as components/clusters/local.ts tells it: before 4.29, which is
 * what offline/ builds, it reads this from the environment only.
 */
export function providerEnvironment(runtime: Runtime): Environment {
  return runtime === "existing" ? {} : { PULUMI_K8S_ENABLE_PATCH_FORCE: "true" };
}

/**
 * The rehearsal takes the real charts where their repository answers, or answered once, and the stand-ins elsewhere.
 * Whoever sets a directory, or has another runtime, gets what the settings say.
 */
export async function chooseCharts(runtime: Runtime, settings: StackSettings): Promise<Environment> {
  if (process.env.MESH_CHART_DIRECTORY || settings.get("chartDirectory") || runtime !== "kwok") return {};
  const repository = String(settings.get("chartRepository"));
  if (isChartKept(String(settings.get("linkerdVersion"))) || (await isOffered(`${repository}/index.yaml`))) {
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
