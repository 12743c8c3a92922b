import * as fs from "node:fs";
import * as path from "node:path";
import type { Runtime } from "../config/settings";
import { cacheDirectory, root } from "../lib/paths";
import { type Environment, say } from "../lib/run";
import { isOffered } from "../tools/findTools";
import { prepareTools, searching } from "../tools/prepare";
import { backendEnvironment } from "./backend";
import { readStackFile, type StackSettings } from "./stackFile";

/** Prepares the tools. Returns the environment in which pulumi finds the tools, the state and the charts. */
export async function stackEnvironment(stack: string, runtime: Runtime): Promise<Environment> {
  const tools = searching(await prepareTools(runtime));
  return { ...(await pulumiEnvironment(stack, runtime)), ...tools };
}

/** The same without the tools: the backend, the settings of engine and provider, and the charts. */
export async function pulumiEnvironment(stack: string, runtime: Runtime): Promise<Environment> {
  const charts = await chooseCharts(runtime, readStackFile(stack));
  return { ...backendEnvironment(), ...providerEnvironment(runtime), ...charts };
}

/**
 * The kubernetes provider's setting for local clusters, as in components/clusters/local.ts. Versions before 4.29 read
 * it from the environment only, and offline/ builds such a version.
 */
export function providerEnvironment(runtime: Runtime): Environment {
  return runtime === "existing" ? {} : { PULUMI_K8S_ENABLE_PATCH_FORCE: "true" };
}

/**
 * The kwok runtime uses the real charts if their repository answers or they are cached, and the stand-ins otherwise. If
 * a chart directory is set, or with any other runtime, the settings decide.
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
