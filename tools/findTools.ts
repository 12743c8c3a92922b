import * as fs from "node:fs";
import * as path from "node:path";
import { isBuilt, builtDirectory } from "../offline/tools/build";
import { isExecutable } from "../lib/files";
import { request } from "../lib/http";
import { cacheDirectory, root } from "../lib/paths";
import { capture, UserError } from "../lib/run";
import { thisPlatform, type Tool } from "./tools";

/** The way to a tool. `notes` are sentences for the user; `directories` go to the front of PATH. */
export type Way =
  | { way: "on PATH" | "kept" | "fetched by another" | "stand-in"; directories: string[]; notes: string[] }
  | { way: "download"; notes: string[] }
  | { way: "build"; notes: string[] };

/** The facts that the choice depends on. Tests replace them. */
export interface Probes {
  /** Directories to add to PATH if the tool on PATH is usable, else the reason. Undefined when none is on PATH. */
  onPath: (tool: Tool) => Promise<{ usable: true; directories: string[] } | { usable: false; why: string } | undefined>;
  /** Directories of the cache that contain the tool. */
  kept: (tool: Tool) => string[] | undefined;
  /** Whether the tool's `fetchedBy` program has already downloaded it. */
  keptByAnother: (tool: Tool) => boolean;
  /** Whether a URL is available. Must answer within 5 s. */
  answers: (url: string) => Promise<boolean>;
}

/**
 * Chooses a source for each tool: PATH first, then the cache, then its publisher, else offline/. Asks the network only
 * about missing tools, and about all of them at once.
 */
export function findTools(tools: Tool[], probes: Probes = realProbes): Promise<Way[]> {
  return Promise.all(tools.map((tool) => findTool(tool, probes)));
}

async function findTool(tool: Tool, probes: Probes): Promise<Way> {
  const findOnPath = await probes.onPath(tool);
  if (findOnPath?.usable) return { way: "on PATH", directories: findOnPath.directories, notes: [] };
  const notes = findOnPath ? [`${findOnPath.why}: passed over`] : [];
  if (!findOnPath && probes.keptByAnother(tool)) return { way: "fetched by another", directories: [], notes };
  const kept = probes.kept(tool);
  if (kept) return { way: "kept", directories: kept, notes };

  const url = tool.fetchedBy?.url(thisPlatform()) ?? tool.download?.(thisPlatform()).urls[0] ?? "";
  if (await probes.answers(url)) {
    if (!tool.fetchedBy) return { way: "download", notes };
    if (!findOnPath) return { way: "fetched by another", directories: [], notes };
    // The program that downloads this tool prefers the one on PATH.
    throw new UserError(
      `${findOnPath.why}. Next: update it, or take it off PATH and ${tool.fetchedBy.program} downloads its own`,
    );
  }
  const silent = `${tool.name} ${tool.version}: ${new URL(url).host} does not answer`;
  if (!tool.standIn) return { way: "build", notes: [...notes, `${silent}, so it is built`] };
  const directories = [path.join(root, tool.standIn)];
  return { way: "stand-in", directories, notes: [...notes, `${silent}, so ${tool.standIn} stands in for it`] };
}

/** The cache directory for a download of the tool. */
export function downloadDirectory(tool: Tool): string {
  const { os, arch } = thisPlatform();
  return path.join(cacheDirectory(), "tools", `${tool.name}-${tool.version}-${os}-${arch}`);
}

const realProbes: Probes = {
  onPath: (tool) => onPath(tool),
  kept: (tool) => {
    if (fs.existsSync(downloadDirectory(tool))) return [downloadDirectory(tool)];
    if (tool.modules.length > 0 && tool.modules.every(isBuilt)) return tool.modules.map(builtDirectory);
    return undefined;
  },
  keptByAnother: ({ fetchedBy }) => Boolean(fetchedBy?.isKept(fetchedBy.url(thisPlatform()))),
  answers: isOffered,
};

/** @param PATH where to look. Default: the environment's */
export async function onPath(tool: Tool, PATH = process.env.PATH ?? ""): ReturnType<Probes["onPath"]> {
  const [first = "", ...others] = tool.programs;
  const searched = PATH.split(path.delimiter).filter(Boolean);
  const found = searched.find((directory) => isExecutable(path.join(directory, first)));
  if (!found) return undefined;
  const file = path.join(found, first);
  // PATH may contain a link to only one program of a release. The others are beside the link's target.
  const beside = path.dirname(fs.realpathSync(file));
  const elsewhere = others.filter(
    (program) => !searched.some((directory) => isExecutable(path.join(directory, program))),
  );
  const lacking = elsewhere.find((program) => !isExecutable(path.join(beside, program)));
  if (lacking) return { usable: false, why: `${file} is on PATH without ${lacking}` };
  const directories = elsewhere.length > 0 ? [beside] : [];
  if (!tool.versionArgs || !tool.oldest) return { usable: true, directories };
  const { code, stdout, stderr } = await capture(file, tool.versionArgs);
  const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0];
  if (code !== 0 || !version) {
    return { usable: false, why: `${file} does not say its version (${stderr.trim().split("\n")[0]})` };
  }
  if (isOlder(version, tool.oldest)) {
    return { usable: false, why: `${file} is ${version}, older than ${tool.oldest}` };
  }
  return { usable: true, directories };
}

/** Compares `major.minor.patch`. */
export function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, "en", { numeric: true }) < 0;
}

/** Whether a URL is available. Sends a HEAD request with a timeout of 4 s. */
export async function isOffered(url: string): Promise<boolean> {
  try {
    return (await request(url, { method: "HEAD", signal: AbortSignal.timeout(4000) })).ok;
  } catch {
    // No DNS name, no route or a timeout: the reason does not matter.
    return false;
  }
}
