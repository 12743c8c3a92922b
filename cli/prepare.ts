import * as fs from "node:fs";
import * as path from "node:path";
import type { Runtime } from "../settings";
import { build, builtDirectory } from "../registry-only/tools/build";
import { download } from "./download";
import { answers, findTools, type Way } from "./findTools";
import { cacheDirectory, root } from "./paths";
import { linkPlugin, unlinkPlugin } from "./plugins";
import { makePulumiHome, ownHome, pulumiHome } from "./pulumiHome";
import { type Environment, say } from "./run";
import type { StackSettings } from "./stackFile";
import { type Tool, toolsFor } from "./tools";

/**
 * Sees to it that all tools are there for the runtimes, fetching or building what is missing, and says which way was taken.
 *
 * @returns directories to search before PATH for what it lacks or has too old
 */
export async function prepareTools(...runtimes: Runtime[]): Promise<string[]> {
  makePulumiHome();
  const tools = [...new Set(runtimes.flatMap((runtime) => toolsFor[runtime]))];
  const ways = await findTools(tools);
  for (const note of ways.flatMap(({ notes }) => notes)) say(note);
  await build(tools.flatMap((tool, index) => (ways[index]?.way === "build" ? tool.modules : [])));
  const directories: string[] = [];
  for (const [index, tool] of tools.entries()) directories.push(...(await prepare(tool, ways[index])));
  return [...new Set(directories)];
}

/** @returns the tool's directories, where it has to be on PATH and is not yet */
async function prepare(tool: Tool, found: Way | undefined): Promise<string[]> {
  if (!found) return [];
  if (found.way === "on PATH") return found.directories;
  const home = pulumiHome();
  if (found.way === "fetched by another") {
    if (tool.plugin) unlinkPlugin(home, tool.plugin);
    return [];
  }
  if (found.way === "download") return [await download(tool)];
  const directories = found.way === "build" ? tool.modules.map(builtDirectory) : found.directories;
  const [first] = directories;
  const linked = home === ownHome && tool.plugin && first && linkPlugin(home, tool.plugin, first);
  return linked ? [] : directories;
}

/** The environment in which the directories' programs are found first. */
export function searching(directories: string[]): { PATH: string } {
  return { PATH: [...directories, process.env.PATH ?? ""].join(path.delimiter) };
}

/**
 * What the kubernetes provider is told for clusters of ours, as components/clusters/local.ts tells it: before 4.29, which is
 * what registry-only/ builds, it reads this from the environment only.
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
  if (isChartKept(String(settings.get("linkerdVersion"))) || (await answers(`${repository}/index.yaml`))) {
    say(`Charts: Linkerd's own, from ${repository}`);
    return {};
  }
  say(`Charts: ${repository} does not answer, so registry-only/charts stands in for Linkerd's`);
  return { MESH_CHART_DIRECTORY: path.join(root, "registry-only", "charts") };
}

function isChartKept(version: string): boolean {
  const charts = path.join(cacheDirectory, "charts");
  if (!fs.existsSync(charts)) return false;
  return fs
    .readdirSync(charts, { recursive: true })
    .some((file) => String(file).endsWith(`linkerd-control-plane-${version}.tgz`));
}
