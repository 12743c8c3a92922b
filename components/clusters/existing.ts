import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { readContext } from "../../config/contexts";
import type { ExistingSettings } from "../../config/settings";
import { RefusedError } from "../../config/settings";
import { type Capabilities, clusterProvider, type Cluster } from "./cluster";

/** A cluster that exists already. */
export interface ExistingClusterArgs {
  /** Admin credentials, and an address that this machine reaches. */
  kubeconfig: pulumi.Input<string>;
  /** Name of its provider's cluster: a text that changes exactly when the cluster becomes another one. */
  context: string;
  /** URL of its API server as the other clusters' pods reach it. Default: the kubeconfig's */
  apiServer?: string;
  /** Gateway host for other clusters' Links. Default: the address of the gateway Service */
  gateway?: string;
}

/**
 * An existing cluster: EKS, GKE, AKS, on-prem. The stack never creates or deletes it, and removes its own objects one
 * by one.
 */
export class ExistingCluster extends pulumi.ComponentResource implements Cluster {
  readonly kubeconfig: pulumi.Output<string>;
  readonly provider: k8s.Provider;
  readonly apiServer: pulumi.Output<string>;
  readonly gateway?: pulumi.Output<string>;

  constructor(name: string, args: ExistingClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mesh:index:ExistingCluster", name, {}, opts);
    const { context, apiServer, gateway } = args;
    this.kubeconfig = pulumi.secret(args.kubeconfig);
    this.provider = clusterProvider(
      name,
      { kubeconfig: this.kubeconfig, clusterIdentifier: context },
      { parent: this },
    );
    this.apiServer = pulumi.output(apiServer ?? serverOf(this.kubeconfig));
    if (gateway !== undefined) this.gateway = pulumi.output(gateway);
    this.registerOutputs();
  }
}

/** The URL of the API server in a kubeconfig's current context. It is no secret. */
export function serverOf(kubeconfig: pulumi.Input<string>): pulumi.Output<string> {
  const server = pulumi.output(kubeconfig).apply(async (text) => {
    const { KubeConfig } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    config.loadFromString(text);
    const current = config.getCurrentCluster();
    if (!current) throw new pulumi.RunError("kubeconfig has no current context with a cluster; allowed: one that has");
    return current.server;
  });
  return pulumi.unsecret(server);
}

/** The Gateway API's kinds in Linkerd's CRD chart. */
const gatewayKinds = ["httproutes", "grpcroutes", "tlsroutes", "tcproutes"].map(
  (plural) => `${plural}.gateway.networking.k8s.io`,
);

/**
 * Why Linkerd's chart may not install the Gateway API's definitions in this cluster, or undefined. Definitions from an
 * earlier installation count as Linkerd's: the chart keeps them when it is removed.
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
 * Asks the cluster for its capabilities.
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
