import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { parse } from "yaml";
import { exists } from "../lib/files";
import { request } from "../lib/http";
import { cacheDirectory } from "../lib/paths";
import { outputOf } from "../lib/run";
import { copyCharts } from "./checkout";
import { chartNames, type ChartName, type ChartSource, RefusedError } from "./settings";

/** Path of each chart on this machine: a directory or an archive. Helm accepts both. */
export type ChartPaths = Record<ChartName, string>;

/**
 * Finds the charts. It fetches each version from a repository once and keeps it. So a later preview needs no network,
 * and no preview pays for Helm's repository index. helm itself reads a repository in an OCI registry.
 *
 * @param cache directory for fetched archives. Default: `$XDG_CACHE_HOME/linkerd-multicluster-mesh/charts`
 * @throws RefusedError when the repository does not answer, lacks the version, or its digest does not match
 */
export async function findCharts(
  source: ChartSource,
  cache = path.join(cacheDirectory(), "charts"),
): Promise<ChartPaths> {
  if (!("repository" in source)) {
    const directory = "directory" in source ? source.directory : await copyCharts(source, cache);
    return paths((chart) => path.join(directory, chart));
  }
  const { repository, version } = source;
  // Another repository may have a different chart of the same name and version.
  const folder = path.join(cache, createHash("sha256").update(repository).digest("hex").slice(0, 12));
  const archive = (chart: ChartName) => path.join(folder, `${chart}-${version}.tgz`);
  const missing = await Promise.all(
    chartNames.map(async (chart) => ((await exists(archive(chart))) ? undefined : chart)),
  );
  const toFetch = missing.filter((chart) => chart !== undefined);
  if (toFetch.length > 0) {
    await fs.mkdir(folder, { recursive: true });
    if (repository.startsWith("oci://")) {
      await Promise.all(toFetch.map((chart) => pullChart(source, chart, archive(chart))));
    } else {
      const index = readIndex(repository, await get(`${repository}/index.yaml`));
      await Promise.all(toFetch.map((chart) => fetchChart(source, index, chart, archive(chart))));
    }
  }
  return paths(archive);
}

/** From an OCI registry, with the credentials of `helm registry login` or `docker login`. */
async function pullChart(
  { repository, version }: { repository: string; version: string },
  chart: ChartName,
  file: string,
): Promise<void> {
  const partial = `${file}.${process.pid}`;
  // Docker too speaks plain HTTP with a registry on the loopback address.
  const plain = /^oci:\/\/(localhost|127\.[\d.]+|\[::1\])[:/]/.test(repository) ? ["--plain-http"] : [];
  try {
    await fs.mkdir(partial);
    const from = [`${repository}/${chart}`, "--version", version];
    await outputOf("helm", ["pull", ...from, "--destination", partial, ...plain]);
    await fs.rename(path.join(partial, path.basename(file)), file);
  } catch (error) {
    const { code, stderr = "" } = ((error as Error).cause ?? {}) as { code?: unknown; stderr?: string };
    if (code === undefined) throw error;
    if (code === "ENOENT") throw new RefusedError([`chartRepository is ${repository}, but ${String(error)}`]);
    if (/: not found\s*$/.test(stderr)) {
      throw new RefusedError([
        `linkerdVersion is ${version}; allowed: a version of ${chart} in ${repository}. ` +
          `Next: helm show chart ${repository}/${chart}, and pulumi config set linkerdVersion <version>`,
      ]);
    }
    throw new RefusedError([`chartRepository: helm pull ${repository}/${chart} fails: ${stderr.trim()}. ${next}`]);
  } finally {
    await fs.rm(partial, { recursive: true, force: true });
  }
}

/** The fields of a Helm repository's index used here. https://helm.sh/docs/topics/chart_repository/#the-index-file */
interface Index {
  entries?: Record<string, { version: string; urls: string[]; digest?: string }[] | undefined>;
}

async function fetchChart(
  { repository, version }: { repository: string; version: string },
  index: Index,
  chart: ChartName,
  file: string,
): Promise<void> {
  const versions = index.entries?.[chart] ?? [];
  const entry = versions.find((candidate) => candidate.version === version);
  if (!entry?.urls[0]) {
    const some = versions.slice(0, 5).map((candidate) => candidate.version);
    throw new RefusedError([
      `linkerdVersion is ${version}; allowed: a version of ${chart} in ${repository}, such as ${some.join(", ")}. ` +
        "Next: pulumi config set linkerdVersion <version>",
    ]);
  }
  const body = await get(new URL(entry.urls[0], `${repository}/`).href);
  const digest = createHash("sha256").update(body).digest("hex");
  if (entry.digest && entry.digest.replace(/^sha256:/, "") !== digest) {
    throw new RefusedError([
      `${chart} ${version} of ${repository} has digest ${digest}, but its index says ${entry.digest}. ${next}`,
    ]);
  }
  // Renamed into place: an interrupted or concurrent run never leaves half an archive.
  const partial = `${file}.${process.pid}`;
  await fs.writeFile(partial, body);
  await fs.rename(partial, file);
}

function readIndex(repository: string, body: Buffer): Index {
  try {
    return parse(body.toString()) as Index;
  } catch (error) {
    throw new RefusedError([`chartRepository: ${repository}/index.yaml is not an index (${reason(error)}). ${next}`]);
  }
}

const next = "Next: check the network, or pulumi config set chartDirectory <directory with the charts>";

async function get(url: string): Promise<Buffer> {
  let status: number;
  try {
    const response = await request(url, { signal: AbortSignal.timeout(60_000) });
    if (response.ok) return Buffer.from(await response.arrayBuffer());
    status = response.status;
  } catch (error) {
    throw new RefusedError([`chartRepository: ${url} does not answer (${reason(error)}). ${next}`]);
  }
  throw new RefusedError([`chartRepository: ${url} answers ${status}. ${next}`]);
}

function reason(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message : String(cause);
}

function paths(of: (chart: ChartName) => string): ChartPaths {
  return Object.fromEntries(chartNames.map((chart) => [chart, of(chart)])) as ChartPaths;
}
