import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { parse, stringify } from "yaml";
import type { ClusterPlan } from "../../plan";
import type { ExistingCluster as ExistingSettings } from "../../settings";
import { RefusedError } from "../../settings";
import type { Capabilities } from "../rendering";
import { clusterProvider, type Cluster } from "./cluster";

/**
 * A cluster that is there already: EKS, GKE, AKS, on-prem. Never created, never deleted; what this program put into it
 * is removed one by one.
 */
export class ExistingCluster extends pulumi.ComponentResource implements Cluster {
  readonly kubeconfig: pulumi.Output<string>;
  readonly provider: k8s.Provider;
  readonly apiServerForPeers: pulumi.Output<string>;
  readonly gatewayForPeers?: string;

  constructor(
    name: string,
    readonly plan: ClusterPlan,
    settings: ExistingSettings,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("mesh:index:ExistingCluster", name, {}, opts);
    const { text, server } = readContext(plan.name, settings);
    this.kubeconfig = pulumi.secret(text);
    this.provider = clusterProvider(
      name,
      { kubeconfig: this.kubeconfig, clusterIdentifier: plan.context },
      { parent: this },
    );
    this.apiServerForPeers = pulumi.output(settings.apiServer ?? server);
    this.gatewayForPeers = settings.gateway;
    this.registerOutputs();
  }
}

/** The Gateway API's kinds that Linkerd's chart of definitions brings. */
const gatewayKinds = ["httproutes", "grpcroutes", "tlsroutes", "tcproutes"].map(
  (plural) => `${plural}.gateway.networking.k8s.io`,
);

/**
 * Why Linkerd's chart may not bring the Gateway API's definitions into this cluster, or undefined. Definitions that the
 * chart made before are Linkerd's: it keeps them when it goes.
 *
 * @throws RefusedError when the context is missing
 */
export async function gatewayApiProblem(cluster: string, settings: ExistingSettings): Promise<string | undefined> {
  const { ApiextensionsV1Api } = await import("@kubernetes/client-node");
  const api = (await clientOf(cluster, settings)).makeApiClient(ApiextensionsV1Api);
  const others: string[] = [];
  for (const name of gatewayKinds) {
    try {
      const { metadata } = await api.readCustomResourceDefinition({ name });
      if (metadata?.labels?.["linkerd.io/control-plane-ns"] === undefined) others.push(name);
    } catch (error) {
      if ((error as { code?: unknown }).code === 404) continue;
      return unreadable(cluster, settings, error, "definitions", "get customresourcedefinitions");
    }
  }
  if (others.length === 0) return undefined;
  return (
    `installGatewayApi is true, but cluster ${cluster} (${settings.context}) has the Gateway API already, from someone ` +
    `other than Linkerd: ${others.join(", ")}. Next: pulumi config set installGatewayApi false`
  );
}

/**
 * Asks the cluster what charts may choose by.
 *
 * @throws RefusedError when the context is missing, or the cluster does not answer
 */
export async function existingCapabilities(cluster: string, settings: ExistingSettings): Promise<Capabilities> {
  const { ApisApi, VersionApi } = await import("@kubernetes/client-node");
  const config = await clientOf(cluster, settings);
  try {
    const [{ gitVersion }, { groups }] = await Promise.all([
      config.makeApiClient(VersionApi).getCode(),
      config.makeApiClient(ApisApi).getAPIVersions(),
    ]);
    const apiVersions = groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => groupVersion));
    return { kubernetesVersion: gitVersion, apiVersions: ["v1", ...apiVersions] };
  } catch (error) {
    throw new RefusedError([unreadable(cluster, settings, error, "version", "version")]);
  }
}

/** Why something of the cluster cannot be read, and the kubectl command that shows it. */
function unreadable(
  cluster: string,
  { context }: ExistingSettings,
  error: unknown,
  what: string,
  command: string,
): string {
  const { code, message } = error as Error & { code?: unknown };
  const reason = typeof code === "number" ? `it answers ${code}` : message;
  const next = `Next: kubectl --context ${context} ${command}`;
  return `existing.${cluster}.context is ${JSON.stringify(context)}; its ${what} cannot be read: ${reason}. ${next}`;
}

async function clientOf(cluster: string, settings: ExistingSettings) {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromString(readContext(cluster, settings).text);
  return config;
}

/** What is used here of a kubeconfig. */
interface KubeConfigFile {
  contexts?: { name: string; context: { cluster: string; user: string; namespace?: string } }[];
  clusters?: { name: string; cluster: { server: string } }[];
  users?: { name: string }[];
}

/**
 * Takes one context out of a kubeconfig, so that the state holds no credentials of other clusters.
 *
 * @throws RefusedError when the file or the context is missing
 */
export function readContext(cluster: string, settings: ExistingSettings): { text: string; server: string } {
  const files = settings.kubeconfig ?? process.env.KUBECONFIG ?? path.join(os.homedir(), ".kube", "config");
  const refuse = (problem: string): never => {
    throw new RefusedError([
      `existing.${cluster}.context is ${JSON.stringify(settings.context)}; ${problem}. ` +
        `Next: pulumi config set --path existing.${cluster}.context <context>`,
    ]);
  };
  const available: string[] = [];
  for (const file of files.split(path.delimiter).filter((file) => fs.existsSync(file))) {
    const config = parse(fs.readFileSync(file, "utf8")) as KubeConfigFile;
    available.push(...(config.contexts ?? []).map((context) => context.name));
    const context = config.contexts?.find((candidate) => candidate.name === settings.context);
    if (!context) continue;
    const entry = config.clusters?.find((candidate) => candidate.name === context.context.cluster);
    const user = config.users?.find((candidate) => candidate.name === context.context.user);
    if (!entry || !user) return refuse(`its cluster or user is missing in ${file}`);
    const one = { apiVersion: "v1", kind: "Config", clusters: [entry], users: [user], contexts: [context] };
    return { text: stringify({ ...one, "current-context": context.name }), server: entry.cluster.server };
  }
  return refuse(`allowed: a context of ${files}: ${available.join(", ") || "none is there"}`);
}
