import * as fs from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type * as z from "zod";
import { isMapping } from "../lib/mapping";
import { caFileProblem } from "./caFile";
import { type Checkout, checkoutTag, missingInCheckout } from "./checkout";
import { gatewayValues } from "./gatewayPorts";
import { type ClusterManifests, readManifests } from "./manifests";
import {
  about,
  type ChartName,
  chartNames,
  type ExistingSettings,
  existingFields,
  link,
  type Network,
  type Runtime,
  schema,
  type SettingName,
  shape,
} from "./schema";

export {
  about,
  chartNames,
  type ChartName,
  longestClusterName,
  runtimes,
  type ExistingSettings,
  type Runtime,
} from "./schema";

/** One directed edge: `source` mirrors the exported services of `target`. */
export interface LinkSetting {
  source: string;
  target: string;
}

/** Where the charts come from: a directory with one folder per chart, Linkerd's source, or a Helm repository. */
export type ChartSource = { directory: string } | Checkout | { repository: string; version: string };

/** Everything a user can set, checked. */
export interface Settings {
  runtime: Runtime;
  clusters: string[];
  orgDomain: string;
  links: LinkSetting[];
  network: Network;
  /** k3d, flat: where the clusters' ranges come from. */
  flatRange: string;
  manifests: ClusterManifests;
  /** Files below the manifests' directory that are no manifests. */
  ignoredFiles: string[];
  charts: ChartSource;
  /** More values for Linkerd's charts. */
  chartValues: Partial<Record<ChartName, Record<string, unknown>>>;
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
  /** k3d: number of servers by cluster. */
  servers: Record<string, number>;
  /** k3d: number of agents by cluster. */
  agents: Record<string, number>;
  /** k3d: ports of this machine, and of LoadBalancer Services, by cluster. Example: `{ east: ["8080:80"] }` */
  ports: Record<string, string[]>;
  /** k3d: more options for k3s server. */
  k3sArgs: string[];
  /** k3d: images of the local Docker engine to import into every cluster. */
  images: string[];
  /**
   * k3d: URL of a registry, with a path if needed, that every image is pulled through.
   * Example: `https://registry.example.com/mirror`
   */
  registryMirror?: string;
  /** k3d: whether images are pulled through the image cache of this machine, if there is no `registryMirror`. */
  imageCache: boolean;
  /** k3d: certificates of private authorities that the nodes trust. */
  caFile?: string;
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
  return checkSettings(raw, root, process.env.MESH_CHART_DIRECTORY);
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

type Values = z.infer<typeof schema>;

/** A problem, and the setting that it is about. */
interface Problem {
  setting: string;
  text: string;
}

/**
 * Turns raw settings into checked ones. Pure, except for reading the directories that the settings name.
 *
 * @param shellCharts chartDirectory for one shell: a directory is specific to one machine, but a stack's settings are
 *   shared
 */
export function checkSettings(raw: RawSettings, root: string, shellCharts?: string): Settings {
  const set = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== undefined));
  const usesShell = shellCharts && set.linkerdCheckout === undefined;
  const given: RawSettings = { ...(usesShell && { chartDirectory: shellCharts }), ...set };
  const result = schema.safeParse(given);
  const problems = result.success ? [] : problemsOf(result.error.issues, given);
  const faulty = new Set(problems.map(({ setting }) => setting));
  /** A setting's value, or its default if it is not set or refused. */
  const valueOf = <K extends SettingName>(name: K): Values[K] =>
    (faulty.has(name) ? undefined : (given[name] as Values[K])) ?? (about[name].default as Values[K]);
  const refuse = (setting: string, path: Path, allowed: string, next?: string) =>
    problems.push({ setting, text: refusal(path, valueAt(given, path), allowed, next) });

  const runtime = valueOf("runtime") ?? "k3d";
  for (const name of Object.keys(given).filter(
    (name) => !faulty.has("runtime") && isUnused(name, given[name], runtime),
  )) {
    const users = about[name as SettingName].runtimes?.join(", ") ?? "";
    refuse(name, [name], `with runtime ${users} only (it is ${runtime})`, `pulumi config rm ${name}`);
  }
  const clusters = checkClusters(given, faulty.has("clusters"), refuse);
  const network = valueOf("network") ?? "gateway";
  for (const [i, arg] of (valueOf("k3sArgs") ?? []).entries()) {
    if (network !== "flat" || !/^--(cluster|service)-cidr/.test(arg)) continue;
    refuse("k3sArgs", ["k3sArgs", i], "other options than --cluster-cidr and --service-cidr, which network flat sets");
  }
  for (const name of ["servers", "agents", "ports"] as const) {
    if (faulty.has(name) || !isMapping(given[name])) continue;
    for (const key of Object.keys(given[name]).filter((key) => !clusters.includes(key))) {
      const path = [name, key];
      refuse(name, path, `the clusters ${clusters.join(", ")}`, `pulumi config rm --path '${shownPath(path)}'`);
    }
  }
  const namer = (["linkerdCheckout", "chartDirectory"] as const).find((name) => set[name] !== undefined);
  for (const name of namer ? (["chartDirectory", "chartRepository", "linkerdVersion"] as const) : []) {
    if (name === namer || given[name] === undefined || given[name] === about[name].default) continue;
    refuse(name, [name], `its default, because ${namer} names the charts`, `pulumi config rm ${name}`);
  }
  const manifestDirectory = valueOf("manifests") ?? "manifests";
  const { manifests, complaints, ignored } = readManifests(path.resolve(root, manifestDirectory), clusters);
  for (const complaint of complaints) {
    problems.push({ setting: "manifests", text: `manifests is ${JSON.stringify(manifestDirectory)}; ${complaint}` });
  }
  const settings: Settings = {
    runtime,
    clusters,
    orgDomain: valueOf("orgDomain") ?? "",
    network,
    flatRange: checkFlatRange(valueOf("flatRange") ?? "", network, refuse),
    links: checkLinks(given.links, clusters, faulty.has("links"), refuse),
    manifests,
    ignoredFiles: ignored,
    charts: checkCharts(valueOf, root, refuse),
    chartValues: checkChartValues(given, runtime, clusters, faulty, refuse),
    proxyLogLevel: valueOf("proxyLogLevel") ?? "",
    webhookFailurePolicy: valueOf("webhookFailurePolicy") ?? (runtime === "kwok" ? "Ignore" : "Fail"),
    installGatewayApi: valueOf("installGatewayApi") ?? true,
    trustAnchors: valueOf("trustAnchors") ?? [],
    issuerGeneration: valueOf("issuerGeneration") ?? 1,
    portBase: valueOf("portBase"),
    nodeImage: valueOf("nodeImage"),
    servers: byCluster(clusters, valueOf("servers"), 1),
    agents: byCluster(clusters, valueOf("agents"), 0),
    ports: byCluster(clusters, valueOf("ports"), []),
    k3sArgs: valueOf("k3sArgs") ?? [],
    images: valueOf("images") ?? [],
    registryMirror: valueOf("registryMirror"),
    imageCache: valueOf("imageCache") ?? true,
    caFile: checkCaFile(valueOf("caFile"), root, refuse),
    existing: runtime === "existing" ? checkExisting(given.existing, clusters, faulty.has("existing"), refuse) : {},
  };
  if (problems.length > 0) {
    const order = Object.keys(about);
    const sorted = problems.sort((a, b) => order.indexOf(a.setting) - order.indexOf(b.setting));
    throw new RefusedError([...new Set(sorted.map(({ text }) => text))]);
  }
  return settings;
}

type Path = readonly (string | number)[];
type Refuse = (setting: string, path: Path, allowed: string, next?: string) => void;

/** Example: `existing.east.context is nothing; allowed: a context of your kubeconfig. Next: pulumi config set ...` */
function refusal(path: Path, value: unknown, allowed: string, next?: string): string {
  const shown = value === undefined ? "nothing" : JSON.stringify(value);
  const name = shownPath(path);
  const set = path.length > 1 ? `--path '${name}'` : name;
  return `${name} is ${shown}; allowed: ${allowed}. Next: ${next ?? `pulumi config set ${set} <value>`}`;
}

/** As `--path` takes it. Examples: `existing.east.context`, `clusters[1]`, `existing["eu.west"]` */
function shownPath([first = "", ...rest]: Path): string {
  const parts = rest.map((part) => {
    if (typeof part === "number") return `[${part}]`;
    return /^[\w-]+$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
  });
  return [first, ...parts].join("");
}

function valueAt(values: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => (value as Record<string | number, unknown> | null | undefined)?.[part], values); // prettier-ignore
}

/** The problems that the schema finds. The text beside each of its checks says what is allowed. */
function problemsOf(issues: z.core.$ZodIssue[], given: RawSettings): Problem[] {
  return issues
    .flatMap((issue) => meant(issue, given))
    .flatMap((issue): Problem[] => {
      const [setting = "", ...rest] = issue.path as (string | number)[];
      if (issue.code === "unrecognized_keys") {
        const known = fieldsOf(issue.path as Path) ?? Object.keys(about);
        return issue.keys.map((key) => {
          const path = [...(issue.path as Path), key];
          const remove = path.length > 1 ? `--path '${shownPath(path)}'` : key;
          const text = refusal(path, valueAt(given, path), `one of ${known.join(", ")}`, `pulumi config rm ${remove}`);
          return { setting: setting === "" ? key : String(setting), text };
        });
      }
      const { isWhole, next } = about[setting as SettingName];
      const path = isWhole ? [setting] : [setting, ...rest];
      const command = path.length === 1 ? next : undefined;
      return [{ setting: String(setting), text: refusal(path, valueAt(given, path), issue.message, command) }];
    });
}

/** Of a setting that takes several forms, the faults within the form that the user chose; else its own. */
function meant(issue: z.core.$ZodIssue, given: RawSettings): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union" || typeof valueAt(given, issue.path as Path) !== "object") return [issue];
  const form = issue.errors.find((faults) => faults.every(({ path }) => path.length > 0));
  return form?.map((fault) => ({ ...fault, path: [...issue.path, ...fault.path] })) ?? [issue];
}

/** The fields of the mapping at a path within the settings. */
function fieldsOf([setting, ...rest]: Path): string[] | undefined {
  if (setting === "links") return rest.length === 0 ? ["hub"] : Object.keys(link);
  if (setting === "existing") return Object.keys(existingFields);
  return setting === "chartValues" ? [...chartNames] : undefined;
}

/** Whether a runtime ignores a setting. Pulumi.yaml's defaults arrive as if they were set. */
function isUnused(name: string, value: unknown, runtime: Runtime): boolean {
  const { runtimes, default: usual } = about[name as SettingName] ?? {};
  return runtimes !== undefined && !runtimes.includes(runtime) && JSON.stringify(value) !== JSON.stringify(usual);
}

/** A value for each cluster: the given one, of all or of this cluster, or the usual one. */
function byCluster<T extends number | string[]>(
  clusters: string[],
  given: T | Record<string, T> | undefined,
  usual: T,
): Record<string, T> {
  return Object.fromEntries(
    clusters.map((cluster) => {
      if (!isMapping(given)) return [cluster, given ?? usual];
      return [cluster, Object.hasOwn(given, cluster) ? (given[cluster] as T) : usual];
    }),
  );
}

function checkClusters(given: RawSettings, isFaulty: boolean, refuse: Refuse): string[] {
  const names = given.clusters ?? about.clusters.default;
  if (!Array.isArray(names)) return [];
  const valid = names.filter((name): name is string => !isFaulty || shape.clusters.element.safeParse(name).success);
  names.forEach((name, i) => {
    if (valid.includes(name as string) && names.indexOf(name) < i)
      refuse("clusters", ["clusters", i], "a name that no other cluster has");
  });
  return [...new Set(valid)];
}

/** The directed links of a topology. */
function checkLinks(value: unknown, clusters: string[], isFaulty: boolean, refuse: Refuse): LinkSetting[] {
  const pairs = clusters.flatMap((source) =>
    clusters.filter((target) => target !== source).map((target) => ({ source, target })),
  );
  if (value === undefined || value === "mesh") return pairs;
  if (isFaulty) return [];
  if (!Array.isArray(value)) {
    const { hub } = value as { hub: string };
    if (!clusters.includes(hub)) refuse("links", ["links", "hub"], `one of the clusters ${clusters.join(", ")}`);
    return pairs.filter(({ source, target }) => source === hub || target === hub);
  }
  const seen = new Set<string>();
  (value as LinkSetting[]).forEach(({ source, target }, i) => {
    const at = (field: "source" | "target") => ["links", i, field];
    for (const [field, name] of [
      ["source", source],
      ["target", target],
    ] as const) {
      if (!clusters.includes(name)) refuse("links", at(field), `one of the clusters ${clusters.join(", ")}`);
    }
    if (source === target) refuse("links", at("target"), "another cluster than the source");
    const pair = `${source}->${target}`;
    if (seen.has(pair)) {
      refuse("links", ["links", i], "each pair once in each direction", `pulumi config rm --path 'links[${i}]'`);
    }
    seen.add(pair);
  });
  return value as LinkSetting[];
}

function checkCharts(
  valueOf: <K extends SettingName>(name: K) => Values[K],
  root: string,
  refuse: Refuse,
): ChartSource {
  const linkerdCheckout = valueOf("linkerdCheckout");
  if (linkerdCheckout !== undefined) return checkCheckout(path.resolve(root, linkerdCheckout), refuse);
  const chartDirectory = valueOf("chartDirectory");
  if (chartDirectory === undefined) {
    return {
      repository: (valueOf("chartRepository") ?? "").replace(/\/+$/, ""),
      version: valueOf("linkerdVersion") ?? "",
    };
  }
  const directory = path.resolve(root, chartDirectory);
  const missing = chartNames.find((chart) => !fs.existsSync(path.join(directory, chart, "Chart.yaml")));
  if (missing !== undefined) {
    const allowed = `a directory with the folders ${chartNames.join(", ")}, each a Helm chart; ${missing}/Chart.yaml is missing`;
    refuse("chartDirectory", ["chartDirectory"], allowed, about.chartDirectory.next);
  }
  return { directory };
}

function checkCheckout(checkout: string, refuse: Refuse): Checkout {
  const next = "git clone https://github.com/linkerd/linkerd2 <directory>";
  const allowed = (problem: string) => `a directory with the source of linkerd2; ${problem}`;
  const missing = missingInCheckout(checkout);
  if (missing !== undefined) {
    refuse("linkerdCheckout", ["linkerdCheckout"], allowed(`${missing} is missing`), next);
    return { checkout, tag: "" };
  }
  try {
    return { checkout, tag: checkoutTag(checkout) };
  } catch (error) {
    refuse("linkerdCheckout", ["linkerdCheckout"], allowed(`bin/root-tag fails: ${(error as Error).message.trim()}`), next); // prettier-ignore
    return { checkout, tag: "" };
  }
}

/** Used with network flat only. */
function checkFlatRange(range: string, network: Network, refuse: Refuse): string {
  if (network === "gateway" && range !== about.flatRange.default)
    refuse("flatRange", ["flatRange"], "with network flat only", "pulumi config set network flat");
  return range;
}

function checkCaFile(file: string | undefined, root: string, refuse: Refuse): Settings["caFile"] {
  const problem = file === undefined ? undefined : caFileProblem(file, root);
  if (problem !== undefined) refuse("caFile", ["caFile"], problem);
  return file;
}

/** Kubernetes' default range. */
const isNodePort = (port: unknown) => Number.isInteger(port) && Number(port) >= 30_000 && Number(port) <= 32_767;

/** The address of a load balancer, or one that the runtime or the user knows. */
function checkChartValues(
  { chartValues, existing }: RawSettings,
  runtime: Runtime,
  clusters: string[],
  faulty: Set<string>,
  refuse: Refuse,
): Settings["chartValues"] {
  if (faulty.has("chartValues")) return {};
  const values = (chartValues ?? {}) as Settings["chartValues"];
  const addresses = (existing ?? {}) as Partial<Record<string, ExistingSettings>>;
  const { serviceType, nodePort, probe } = gatewayValues(values);
  const refuseValue = (path: string[], allowed: string) =>
    refuse("chartValues", ["chartValues", "linkerd-multicluster", "gateway", ...path], allowed);
  const isReached = runtime !== "existing" || clusters.every((name) => addresses[name]?.gateway !== undefined);
  if (!["LoadBalancer", "NodePort", undefined].includes(serviceType as string | undefined)) {
    refuseValue(["serviceType"], "LoadBalancer, NodePort");
  } else if (serviceType === "NodePort" && !isReached) {
    refuseValue(["serviceType"], "LoadBalancer, unless existing.<cluster>.gateway is set for every cluster");
  } else if (serviceType === "NodePort") {
    const allowed = "a whole number from 30000 to 32767, because Links name the port of a NodePort";
    if (!isNodePort(nodePort)) refuseValue(["nodePort"], allowed);
    if (!isNodePort(probe?.nodePort)) refuseValue(["probe", "nodePort"], allowed);
  }
  return values;
}

function checkExisting(
  value: unknown,
  clusters: string[],
  isFaulty: boolean,
  refuse: Refuse,
): Record<string, ExistingSettings> {
  if (isFaulty) return {};
  const entries = (value ?? {}) as Record<string, ExistingSettings | undefined>;
  const users = new Map<string, string>();
  for (const name of clusters) {
    const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
    const here = ["existing", name, "context"];
    if (!entry) {
      refuse("existing", here, "a context of your kubeconfig");
      continue;
    }
    const user = users.get(`${entry.kubeconfig} ${entry.context}`);
    if (user !== undefined) refuse("existing", here, `another one than cluster ${user} has`);
    users.set(`${entry.kubeconfig} ${entry.context}`, name);
  }
  for (const name of Object.keys(entries).filter((name) => !clusters.includes(name))) {
    const next = `pulumi config rm --path 'existing.${name}'`;
    refuse("existing", ["existing", name], `the clusters ${clusters.join(", ")}`, next);
  }
  return entries as Record<string, ExistingSettings>;
}
