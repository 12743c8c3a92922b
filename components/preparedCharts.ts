import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { type ChartPaths, findCharts } from "../config/charts";
import type { Manifest } from "../config/manifests";
import { about, type ChartName, type ChartSource, RefusedError } from "../config/settings";
import { root } from "../lib/paths";
import { kubernetesVersion } from "./clusters/lifecycle/spec";
import { renderChart, type RenderingArgs } from "./rendering";

/** Where Linkerd's charts come from, and what they are rendered for. */
export interface ChartArgs {
  /** Helm repository of the charts, also in an OCI registry. Default: `https://helm.linkerd.io/edge` */
  chartRepository?: string;
  /** Version of the three charts. Default: the one that this package is tested with. Example: `2026.8.3` (edge-26.8.3) */
  linkerdVersion?: string;
  /**
   * Directory with the charts as folders, in place of the repository. A relative path starts from the package's
   * directory. Default: the environment variable MESH_CHART_DIRECTORY
   */
  chartDirectory?: string;
  /** More values, by chart. Values that the components set are refused. Default: none */
  chartValues?: Partial<Record<ChartName, Record<string, unknown>>>;
  /** Kubernetes version of the cluster. Default: `v1.34.4` */
  kubernetesVersion?: string;
  /** API groups of the cluster with their versions, besides those that Helm knows. Default: none. Example: `["policy/v1"]` */
  apiVersions?: string[];
}

/** One chart of a component. */
export interface ChartRequest extends Omit<RenderingArgs, "chart"> {
  source: ChartSource;
  chart: ChartName;
}

/** What all charts of a component have in common. */
export function commonOf(args: ChartArgs): Pick<ChartRequest, "source" | "capabilities"> {
  const { chartDirectory = process.env.MESH_CHART_DIRECTORY, chartRepository, linkerdVersion, apiVersions = [] } = args;
  const repository = chartRepository ?? String(about.chartRepository.default);
  const version = linkerdVersion ?? String(about.linkerdVersion.default);
  return {
    source: chartDirectory
      ? { directory: path.resolve(root, chartDirectory) }
      : { repository: repository.replace(/\/+$/, ""), version },
    capabilities: { kubernetesVersion: args.kubernetesVersion ?? kubernetesVersion, apiVersions },
  };
}

const rendered = new Map<string, Manifest[]>();

/**
 * Renders charts before the components that install them are made.
 *
 * @throws RefusedError when a chart cannot be had or rendered
 */
export async function prepareCharts(requests: ChartRequest[]): Promise<void> {
  for (const [i, objects] of (await Promise.all(requests.map(render))).entries()) {
    rendered.set(JSON.stringify(requests[i]), objects);
  }
}

/**
 * A chart's objects. A chart that was not prepared is rendered in a child process, because a constructor cannot wait.
 *
 * @throws RefusedError when the chart cannot be had or rendered
 */
export function chartObjects(request: ChartRequest): Manifest[] {
  const key = JSON.stringify(request);
  const prepared = rendered.get(key);
  if (prepared) return prepared;
  const options = { cwd: root, input: key, encoding: "utf8" as const, maxBuffer: 1 << 28, stdio: ["pipe" as const, "pipe" as const, "inherit" as const] }; // prettier-ignore
  const answer = execFileSync(process.execPath, ["--require", "tsx/cjs", __filename], options);
  const { objects, problems } = JSON.parse(answer) as Answer;
  if (!objects) throw new RefusedError(problems ?? []);
  rendered.set(key, objects);
  return objects;
}

interface Answer {
  objects?: Manifest[];
  problems?: string[];
}

const found = new Map<string, Promise<ChartPaths>>();

async function render({ source, chart, ...rest }: ChartRequest): Promise<Manifest[]> {
  const key = JSON.stringify(source);
  // Charts fetched side by side would be fetched several times.
  const paths = found.get(key) ?? findCharts(source);
  found.set(key, paths);
  return renderChart({ ...rest, chart: (await paths)[chart] });
}

/** The child process: a request on standard input, the answer on standard output. */
async function answer(): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const request = JSON.parse(Buffer.concat(chunks).toString()) as ChartRequest;
  const result: Answer = await render(request).then(
    (objects) => ({ objects }),
    (error: unknown) => {
      if (error instanceof RefusedError) return { problems: error.problems };
      throw error;
    },
  );
  process.stdout.write(JSON.stringify(result));
}

if (require.main === module) void answer();
