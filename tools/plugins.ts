import * as fs from "node:fs";
import * as path from "node:path";

/** A provider plugin as the engine asks for it. Example: `{ name: "tls", version: "v5.6.1" }` */
export interface Plugin {
  name: string;
  version: string;
}

const executable = ({ name }: Plugin) => `pulumi-resource-${name}`;

/** The directory in which the engine looks for the plugin before it downloads it. */
function pluginDirectory(home: string, { name, version }: Plugin): string {
  return path.join(home, "plugins", `resource-${name}-${version}`);
}

/** Whether the engine downloaded the plugin. False for a plugin that `linkPlugin` put there. */
export function isDownloaded(home: string, plugin: Plugin): boolean {
  return fs.existsSync(pluginDirectory(home, plugin)) && !isLinked(home, plugin);
}

/**
 * Links an executable into the engine's plugin directory, in place of a download. The engine prints a warning for every
 * plugin that it finds on PATH, and none for those it finds here.
 *
 * Does nothing if the home's `plugins` links to the user's directory: other projects must not get a stand-in plugin.
 * All clones share this project's home, so the link points to the clone that ran last.
 *
 * @returns false when the plugin has to be on PATH instead
 */
export function linkPlugin(home: string, plugin: Plugin, directory: string): boolean {
  if (isSymbolicLink(path.join(home, "plugins"))) return false;
  const link = path.join(pluginDirectory(home, plugin), executable(plugin));
  fs.mkdirSync(path.dirname(link), { recursive: true });
  // Replaced in one step: another clone's engine may be looking for it.
  const partial = `${link}.${process.pid}`;
  fs.symlinkSync(path.join(directory, executable(plugin)), partial);
  fs.renameSync(partial, link);
  return true;
}

/** Where the linked executables really are: a test with a home of its own looks for them on PATH. */
export function linkedDirectories(home: string): string[] {
  const plugins = path.join(home, "plugins");
  if (!fs.existsSync(plugins)) return [];
  const files = fs.readdirSync(plugins, { recursive: true }).map((file) => path.join(plugins, String(file)));
  return [...new Set(files.filter(isSymbolicLink).map((file) => path.dirname(fs.realpathSync(file))))];
}

/** Removes a link, so that the engine downloads the plugin. */
export function unlinkPlugin(home: string, plugin: Plugin): void {
  if (isLinked(home, plugin)) fs.rmSync(pluginDirectory(home, plugin), { recursive: true });
}

function isLinked(home: string, plugin: Plugin): boolean {
  return isSymbolicLink(path.join(pluginDirectory(home, plugin), executable(plugin)));
}

function isSymbolicLink(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
