import * as fs from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ClusterManifests, readManifests } from "./manifests";

/** Where clusters come from. See components/clusters. */
export const runtimes = ["k3d", "kwok", "existing"] as const;
export type Runtime = (typeof runtimes)[number];

/** One directed edge: `source` mirrors the exported services of `target`. */
export interface LinkSetting {
  source: string;
  target: string;
}

/** Settings of one cluster for runtime `existing`. */
export interface ExistingSettings {
  /** Context of the kubeconfig to use. Example: `arn:aws:eks:eu-west-1:111122223333:cluster/east` */
  context: string;
  /** Path of the kubeconfig. Default: `$KUBECONFIG`, else `~/.kube/config`. */
  kubeconfig?: string;
  /** URL of the API server as the other clusters' pods reach it. Default: the one in the kubeconfig. */
  apiServer?: string;
  /** Gateway host or IP as the other clusters reach it. Default: the gateway Service's load balancer. */
  gateway?: string;
  /** DNS domain the cluster was made with. Default: `cluster.local`. */
  domain?: string;
}

/** Where the charts come from: a directory with one folder per chart, or a Helm repository. */
export type ChartSource = { directory: string } | { repository: string; version: string };

/** Everything a user can set, checked. */
export interface Settings {
  runtime: Runtime;
  clusters: string[];
  orgDomain: string;
  links: LinkSetting[];
  manifests: ClusterManifests;
  /** Files below the manifests' directory that are no manifests. */
  ignoredFiles: string[];
  charts: ChartSource;
  proxyLogLevel: string;
  webhookFailurePolicy: "Fail" | "Ignore";
  /** False where the clusters have the Gateway API's CRDs already, as GKE does. Default: true */
  installGatewayApi: boolean;
  trustAnchors: number[];
  issuerGeneration: number;
  /** First host port of the local runtimes. Default: 6440 in stack dev, else derived from the stack's name. */
  portBase?: number;
  /** k3d: image of the nodes. Default: the one k3d was released with. */
  nodeImage?: string;
  /** k3d: images of the local Docker engine to import into every cluster. */
  images: string[];
  /**
   * k3d: URL of a registry, with a path if needed, that every image is pulled through.
   * Example: `https://registry.example.com/mirror`
   */
  registryMirror?: string;
  /** existing: one entry per cluster. */
  existing: Record<string, ExistingSettings>;
}

/** Settings as typed, not checked yet. A setting that was not set is `undefined`. */
export type RawSettings = Record<string, unknown>;

/** Why nothing was created: each problem names the setting, its value, what is allowed, and what to type. */
export class RefusedError extends pulumi.RunError {
  constructor(readonly problems: string[]) {
    super(`nothing was created, because:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    // Pulumi never shows the stack, but formats it (run/error.js). With lines that name node_modules this takes Node.js
    // 20 a quarter of a minute and 3 GB.
    this.stack = this.message;
  }
}

/** Collects problems so that a user sees all of them at once. */
class Problems {
  readonly found: string[] = [];

  refuse(setting: string, value: unknown, allowed: string, next = `pulumi config set ${setting} <value>`): void {
    const shown = value === undefined ? "nothing" : JSON.stringify(value);
    this.found.push(`${setting} is ${shown}; allowed: ${allowed}. Next: ${next}`);
  }
}

const label = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const domain = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** Longest in-mesh cluster name: mirror names end in it, and Kubernetes limits Service names to 63 characters. */
export const longestClusterName = 20;

const known = [
  "runtime", "clusters", "orgDomain", "links", "manifests", "linkerdVersion", "chartRepository", "chartDirectory",
  "proxyLogLevel", "webhookFailurePolicy", "trustAnchors", "issuerGeneration", "portBase", "nodeImage", "images",
  "registryMirror", "existing", "installGatewayApi",
]; // prettier-ignore

/**
 * Reads the stack's configuration. The only place that does.
 *
 * @param root directory that relative paths are resolved against; default: the project's
 * @throws RefusedError naming every setting that is refused, before any resource is registered
 */
export function readSettings(root = process.cwd()): Settings {
  const prefix = `${pulumi.getProject()}:`;
  const raw: RawSettings = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (key.startsWith(prefix)) raw[key.slice(prefix.length)] = plain(value);
  }
  // The same setting for a shell: a directory is specific to one machine, but a stack's settings are shared.
  raw.chartDirectory ??= process.env.MESH_CHART_DIRECTORY;
  return checkSettings(raw, root);
}

/** Pulumi passes every setting as text: numbers, booleans and lists as JSON. */
function plain(text: string): unknown {
  if (!/^(\[|\{|-?\d+$|true$|false$)/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Turns raw settings into checked ones. Pure, except for reading the directories that the settings name. */
export function checkSettings(raw: RawSettings, root: string): Settings {
  const problems = new Problems();
  for (const key of Object.keys(raw).filter((name) => !known.includes(name))) {
    problems.refuse(key, raw[key], `one of ${known.join(", ")}`, `pulumi config rm ${key}`);
  }
  const text = (key: string, fallback: string) => {
    const value = raw[key] ?? fallback;
    if (typeof value === "string" && value !== "") return value;
    problems.refuse(key, value, "a non-empty string");
    return fallback;
  };

  const runtime = text("runtime", "k3d") as Runtime;
  if (!runtimes.includes(runtime)) problems.refuse("runtime", runtime, runtimes.join(", "));

  const clusters = checkClusters(raw.clusters ?? ["east", "west"], problems);
  const orgDomain = text("orgDomain", "cluster.local");
  if (!domain.test(orgDomain) || orgDomain.length > 200) {
    problems.refuse("orgDomain", orgDomain, "a DNS name in lower case, such as cluster.local");
  }
  const policy = raw.webhookFailurePolicy ?? (runtime === "kwok" ? "Ignore" : "Fail");
  if (policy !== "Fail" && policy !== "Ignore") problems.refuse("webhookFailurePolicy", policy, "Fail, Ignore");

  const manifestDirectory = text("manifests", "manifests");
  const { manifests, complaints, ignored } = readManifests(path.resolve(root, manifestDirectory), clusters);
  for (const complaint of complaints) {
    problems.found.push(`manifests is ${JSON.stringify(manifestDirectory)}; ${complaint}`);
  }

  const settings: Settings = {
    runtime,
    clusters,
    orgDomain,
    links: checkLinks(raw.links, clusters, problems),
    manifests,
    ignoredFiles: ignored,
    charts: checkCharts(raw, root, text, problems),
    proxyLogLevel: text("proxyLogLevel", "linkerd=debug,warn"),
    webhookFailurePolicy: policy as "Fail" | "Ignore",
    installGatewayApi: checkBoolean("installGatewayApi", raw.installGatewayApi ?? true, problems),
    trustAnchors: checkGenerations(raw.trustAnchors ?? [1], problems),
    issuerGeneration: checkInteger("issuerGeneration", raw.issuerGeneration ?? 1, 1, 1_000_000, problems),
    portBase: raw.portBase === undefined ? undefined : checkInteger("portBase", raw.portBase, 1024, 65_000, problems),
    nodeImage: raw.nodeImage === undefined ? undefined : text("nodeImage", ""),
    images: checkStrings("images", raw.images ?? [], problems),
    registryMirror: raw.registryMirror === undefined ? undefined : text("registryMirror", ""),
    existing: checkExisting(raw.existing, runtime, clusters, problems),
  };
  if (problems.found.length > 0) throw new RefusedError(problems.found);
  return settings;
}

function checkClusters(value: unknown, problems: Problems): string[] {
  const allowed = `a list of different names, each of a-z, 0-9 and -, at most ${longestClusterName} characters`;
  const next = `pulumi config set --path 'clusters[0]' east`;
  if (!Array.isArray(value) || value.length === 0) {
    problems.refuse("clusters", value, allowed, next);
    return [];
  }
  const names = new Set<string>();
  value.forEach((name: unknown, i) => {
    const here = `clusters[${i}]`;
    if (typeof name !== "string" || !label.test(name) || name.length > longestClusterName) {
      problems.refuse(here, name, allowed, `pulumi config set --path '${here}' <name>`);
    } else if (names.has(name)) {
      problems.refuse(here, name, `a name that no other cluster has`, `pulumi config set --path '${here}' <name>`);
    } else {
      names.add(name);
    }
  });
  return [...names];
}

/** Default: every pair, both ways. */
function checkLinks(value: unknown, clusters: string[], problems: Problems): LinkSetting[] {
  if (value === undefined) {
    return clusters.flatMap((source) =>
      clusters.filter((target) => target !== source).map((target) => ({ source, target })),
    );
  }
  if (!Array.isArray(value)) {
    problems.refuse("links", value, "a list of {source, target}", "pulumi config rm links");
    return [];
  }
  const seen = new Set<string>();
  const links: LinkSetting[] = [];
  value.forEach((link: Partial<LinkSetting> | null, i) => {
    const here = `links[${i}]`;
    const next = `pulumi config set --path '${here}.target' <cluster>`;
    const source = link?.source ?? "";
    const target = link?.target ?? "";
    if (!clusters.includes(source) || !clusters.includes(target)) {
      problems.refuse(here, link, `source and target among the clusters ${clusters.join(", ")}`, next);
    } else if (source === target) {
      problems.refuse(here, link, "a target other than the source: a cluster is not linked to itself", next);
    } else if (seen.has(`${source}->${target}`)) {
      problems.refuse(here, link, "each pair once in each direction", `pulumi config rm --path '${here}'`);
    } else {
      seen.add(`${source}->${target}`);
      links.push({ source, target });
    }
  });
  return links;
}

export const chartNames = ["linkerd-crds", "linkerd-control-plane", "linkerd-multicluster"] as const;
export type ChartName = (typeof chartNames)[number];

function checkCharts(
  raw: RawSettings,
  root: string,
  text: (key: string, fallback: string) => string,
  problems: Problems,
): ChartSource {
  if (raw.chartDirectory === undefined) {
    const repository = text("chartRepository", "https://helm.linkerd.io/edge");
    if (!/^https?:\/\/[^\s]+$/.test(repository)) {
      problems.refuse("chartRepository", repository, "the http(s) URL of a Helm repository");
    }
    const version = text("linkerdVersion", "2026.8.3");
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
      problems.refuse("linkerdVersion", version, "a chart version such as 2026.8.3 (which is edge-26.8.3)");
    }
    return { repository: repository.replace(/\/+$/, ""), version };
  }
  const directory = path.resolve(root, text("chartDirectory", "."));
  for (const chart of chartNames) {
    if (!fs.existsSync(path.join(directory, chart, "Chart.yaml"))) {
      problems.refuse(
        "chartDirectory",
        raw.chartDirectory,
        `a directory with the folders ${chartNames.join(", ")}, each a Helm chart; ${chart}/Chart.yaml is missing`,
        "pulumi config set chartDirectory <directory>",
      );
      break;
    }
  }
  return { directory };
}

function checkGenerations(value: unknown, problems: Problems): number[] {
  const valid =
    Array.isArray(value) &&
    value.length > 0 &&
    new Set(value).size === value.length &&
    value.every((n) => Number.isInteger(n) && (n as number) > 0);
  if (valid) return value as number[];
  problems.refuse("trustAnchors", value, "a list of different whole numbers from 1", "npm run rotate -- anchor");
  return [1];
}

function checkInteger(key: string, value: unknown, least: number, most: number, problems: Problems): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
  problems.refuse(key, value, `a whole number from ${least} to ${most}`);
  return least;
}

function checkBoolean(key: string, value: unknown, problems: Problems): boolean {
  if (typeof value === "boolean") return value;
  problems.refuse(key, value, "true, false");
  return true;
}

function checkStrings(key: string, value: unknown, problems: Problems): string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === "string" && item !== "")) return value as string[];
  problems.refuse(key, value, "a list of non-empty strings", `pulumi config set --path '${key}[0]' <value>`);
  return [];
}

function checkExisting(
  value: unknown,
  runtime: string,
  clusters: string[],
  problems: Problems,
): Record<string, ExistingSettings> {
  if (runtime !== "existing") return {};
  const entries = (value ?? {}) as Record<string, ExistingSettings | undefined>;
  const found: Record<string, ExistingSettings> = {};
  for (const name of clusters) {
    const entry = entries[name];
    if (typeof entry?.context === "string" && entry.context !== "") found[name] = entry;
    else {
      const here = `existing.${name}.context`;
      problems.refuse(
        here,
        entry?.context,
        "a context of your kubeconfig",
        `pulumi config set --path ${here} <context>`,
      );
    }
  }
  for (const name of Object.keys(entries).filter((name) => !clusters.includes(name))) {
    const allowed = `the clusters ${clusters.join(", ")}`;
    problems.refuse(`existing.${name}`, entries[name], allowed, `pulumi config rm --path existing.${name}`);
  }
  return found;
}
