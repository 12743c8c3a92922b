import * as path from "node:path";
import type { Runtime } from "../config/settings";
import { build, builtDirectory } from "../offline/tools/build";
import { download } from "./download";
import { findTools, type Way } from "./findTools";
import { linkPlugin, unlinkPlugin } from "./plugins";
import { makePulumiHome, ownHome, pulumiHome } from "./pulumiHome";
import { say } from "../lib/run";
import { type Tool, toolsFor } from "./tools";

/**
 * Downloads or builds the missing tools of the runtimes, and says where each comes from.
 *
 * @returns directories to search before PATH, for tools that are missing or too old there
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

/** @returns the directories to add to PATH for the tool */
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

/** The environment in which the programs of these directories are found first. */
export function searching(directories: string[]): { PATH: string } {
  return { PATH: [...directories, process.env.PATH ?? ""].join(path.delimiter) };
}
