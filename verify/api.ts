import type * as k8s from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { UsageError, type Stack } from "./stack";

export type Service = k8s.V1Service;
export type Endpoints = k8s.V1Endpoints;
export type Pod = k8s.V1Pod;
export type Event = k8s.CoreV1Event;
export type Deployment = k8s.V1Deployment;
export type KubernetesObject = k8s.KubernetesObject;
export type KubeConfig = k8s.KubeConfig;

/** multicluster.linkerd.io/v1alpha3, as far as it is looked at. All scalars are strings there. */
export interface Link {
  metadata: { name: string; namespace: string };
  spec: {
    targetClusterName: string;
    targetClusterDomain: string;
    clusterCredentialsSecret: string;
    gatewayAddress: string;
    gatewayPort: string;
    gatewayIdentity: string;
    selector?: k8s.V1LabelSelector;
  };
}

/** One cluster of the stack, and the clients to talk to it. */
export interface Cluster {
  name: string;
  context: string;
  domain: string;
  /** The address by which the other clusters' pods reach its gateway. */
  gateway: string;
  apiServer: string;
  kube: k8s.KubeConfig;
  core: k8s.CoreV1Api;
  apps: k8s.AppsV1Api;
  admission: k8s.AdmissionregistrationV1Api;
  custom: k8s.CustomObjectsApi;
}

export const controlPlane = "linkerd";
export const extension = "linkerd-multicluster";

/**
 * Loads the client. It is an ES module, and this package is CommonJS: `import()` is the only door.
 */
export function client(): Promise<typeof k8s> {
  return import("@kubernetes/client-node");
}

export async function connect(
  name: string,
  facts: { context: string; domain: string; gateway: string; apiServer: string },
  kubeconfig: string,
): Promise<Cluster> {
  const { KubeConfig, CoreV1Api, AppsV1Api, AdmissionregistrationV1Api, CustomObjectsApi } = await client();
  const kube = new KubeConfig();
  kube.loadFromString(kubeconfig);
  return {
    name,
    ...facts,
    kube,
    core: kube.makeApiClient(CoreV1Api),
    apps: kube.makeApiClient(AppsV1Api),
    admission: kube.makeApiClient(AdmissionregistrationV1Api),
    custom: kube.makeApiClient(CustomObjectsApi),
  };
}

/**
 * Clients for all clusters of a stack, by name.
 *
 * @throws UsageError when the stack's outputs lack a kubeconfig
 */
export async function connectAll(stack: Stack): Promise<Record<string, Cluster>> {
  const entries = Object.entries(stack.clusters).map(async ([name, facts]) => {
    const kubeconfig = stack.kubeconfigs[name];
    if (kubeconfig === undefined) throw new UsageError(`--stack ${stack.name}: cluster ${name} has no kubeconfig`);
    return [name, await connect(name, facts, kubeconfig)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** All Links of a cluster's multicluster extension. */
export async function linksOf(cluster: Cluster): Promise<Link[]> {
  const answer = (await cluster.custom.listNamespacedCustomObject({
    group: "multicluster.linkerd.io",
    version: "v1alpha3",
    namespace: extension,
    plural: "links",
  })) as { items: Link[] };
  return answer.items;
}

/** The object, or undefined when there is none; any other refusal is thrown. */
export async function found<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** HTTP status of a refused request. */
export function statusOf(error: unknown): number | undefined {
  const code =
    (error as { code?: unknown; statusCode?: unknown }).code ?? (error as { statusCode?: unknown }).statusCode;
  return typeof code === "number" ? code : undefined;
}

/** One line for a person. The client's own messages carry whole responses, headers and all. */
export function reason(error: unknown): string {
  const status = statusOf(error);
  const body = (error as { body?: unknown }).body;
  if (status !== undefined) {
    let message: unknown;
    try {
      message = (JSON.parse(String(body)) as { message?: unknown }).message;
    } catch {
      message = undefined; // not a Kubernetes Status: the code alone says it
    }
    return typeof message === "string" ? `${status}: ${message}` : `the API server answered ${status}`;
  }
  const cause = (error as { cause?: unknown }).cause;
  const text = error instanceof Error ? error.message : String(error);
  return (cause instanceof Error ? `${text}: ${cause.message}` : text).split("\n")[0] ?? "";
}

/** `east service linkerd/web`: how an object is named in reports. */
export function named(cluster: Cluster, kind: string, object: KubernetesObject): string {
  const { namespace, name } = object.metadata ?? {};
  return `${cluster.name} ${kind} ${namespace ? `${namespace}/` : ""}${name ?? "?"}`;
}

/** A kubectl command a person can type, in the cluster's own context. */
export function kubectl(cluster: Cluster, rest: string): string {
  return `kubectl --context ${cluster.context} ${rest}`;
}
