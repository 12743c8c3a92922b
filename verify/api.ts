import { UserError } from "../lib/run";
import { STATUS_CODES } from "node:http";
import type * as k8s from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { type Stack } from "./stack";

export type Service = k8s.V1Service;
export type Endpoints = k8s.V1Endpoints;
export type Pod = k8s.V1Pod;
export type ContainerStatus = k8s.V1ContainerStatus;
export type Event = k8s.CoreV1Event;
export type Deployment = k8s.V1Deployment;
export type ReplicaSet = k8s.V1ReplicaSet;
export type StatefulSet = k8s.V1StatefulSet;
export type DaemonSet = k8s.V1DaemonSet;
export type Job = k8s.V1Job;
export type KubernetesObject = k8s.KubernetesObject;
export type KubeConfig = k8s.KubeConfig;

export type LabelSelector = k8s.V1LabelSelector;
export type Secret = k8s.V1Secret;

/** The fields of multicluster.linkerd.io/v1alpha3 that are read here. All scalars are strings, and all are optional. */
export interface Link {
  metadata: { name: string; namespace: string };
  spec: {
    targetClusterName?: string;
    targetClusterDomain?: string;
    targetClusterLinkerdNamespace?: string;
    clusterCredentialsSecret?: string;
    gatewayAddress?: string;
    gatewayPort?: string;
    gatewayIdentity?: string;
    probeSpec?: { path?: string; port?: string; period?: string; timeout?: string; failureThreshold?: string };
    selector?: LabelSelector;
    remoteDiscoverySelector?: LabelSelector;
    federatedServiceSelector?: LabelSelector;
  };
}

/** One cluster of the stack, and the clients to talk to it. */
export interface ClusterClient {
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

/**
 * Whether an error comes from a fault of this program. A cluster that does not answer, or refuses a request, gives other
 * errors. fetch reports a failed connection as a TypeError with a cause.
 */
export function isOwnFault(error: unknown): error is Error {
  if (error instanceof TypeError) return error.cause === undefined;
  return error instanceof ReferenceError || error instanceof RangeError || error instanceof SyntaxError;
}

export const controlPlane = "linkerd";
export const extension = "linkerd-multicluster";

/** Loads the client with `import()`, because it is an ES module and this package is CommonJS. */
export function client(): Promise<typeof k8s> {
  return import("@kubernetes/client-node");
}

export async function connect(
  name: string,
  facts: { context: string; domain: string; gateway: string; apiServer: string },
  kubeconfig: string,
): Promise<ClusterClient> {
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

/** The same cluster, with clients whose requests the signal ends. */
export async function abortable(cluster: ClusterClient, signal: AbortSignal): Promise<ClusterClient> {
  const { createConfiguration, ServerConfiguration, CoreV1Api, AppsV1Api, CustomObjectsApi } = await client();
  const { kube } = cluster;
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(kube.getCurrentCluster()?.server ?? "", {}),
    authMethods: { default: kube },
    promiseMiddleware: [
      {
        pre: (request) => {
          request.setSignal(signal);
          return Promise.resolve(request);
        },
        post: (response) => Promise.resolve(response),
      },
    ],
  });
  return {
    ...cluster,
    core: new CoreV1Api(configuration),
    apps: new AppsV1Api(configuration),
    custom: new CustomObjectsApi(configuration),
  };
}

/**
 * Clients for all clusters of a stack, by name.
 *
 * @throws UserError when the stack's outputs lack a kubeconfig
 */
export async function connectAll(stack: Stack): Promise<Record<string, ClusterClient>> {
  const entries = Object.entries(stack.clusters).map(async ([name, facts]) => {
    const kubeconfig = stack.kubeconfigs[name];
    if (kubeconfig === undefined) throw new UserError(`--stack ${stack.name}: cluster ${name} has no kubeconfig`);
    return [name, await connect(name, facts, kubeconfig)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** All Links of a cluster's multicluster extension. */
export async function linksOf(cluster: ClusterClient): Promise<Link[]> {
  const answer = (await cluster.custom.listNamespacedCustomObject({
    group: "multicluster.linkerd.io",
    version: "v1alpha3",
    namespace: extension,
    plural: "links",
  })) as { items: Link[] };
  return answer.items;
}

/** Returns the object, or undefined if the API server answers 404. Throws any other error. */
export async function found<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/**
 * HTTP status of a refused request. The client's exceptions have it in `code`, beside the headers. Its watches have it
 * in `statusCode`. A `code` without headers is something else, such as the exit code of a failed program.
 */
export function statusOf(error: unknown): number | undefined {
  const { code, headers, statusCode } = (error ?? {}) as { code?: unknown; headers?: unknown; statusCode?: unknown };
  const status = headers === undefined ? statusCode : code;
  return typeof status === "number" ? status : undefined;
}

/** The error in one line. The client's own messages contain whole responses, headers included. */
export function reason(error: unknown): string {
  const status = statusOf(error);
  if (status !== undefined) {
    const said = saidBy((error as { body?: unknown }).body);
    return said ? `${status}: ${said}` : `the API server answered ${status} ${STATUS_CODES[status] ?? ""}`.trim();
  }
  const { message, stderr, code, name, cause, errors } = (error ?? {}) as Partial<Record<string, unknown>>;
  // Node's error about a host with several addresses has no message of its own, but one error per address.
  const parts = Array.isArray(errors) ? [...new Set(errors.map(reason))].join("; ") : "";
  const own = firstLine(message) || parts || firstLine(code) || firstLine(name) || String(error);
  // The message about a failed program starts with its command line. The last line of stderr says why it failed.
  const lastWords = typeof stderr === "string" ? stderr.trim().split("\n").at(-1) : undefined;
  const all = [own, lastWords, cause === undefined ? undefined : reason(cause)];
  return all.filter((text) => text).join(": ");
}

function firstLine(text: unknown): string | undefined {
  return typeof text === "string" ? text.trim().split("\n")[0] : undefined;
}

/** The message of a Kubernetes Status, or else the first line of the answer, if any. */
function saidBy(body: unknown): string | undefined {
  let status = body;
  if (typeof body === "string") {
    try {
      status = JSON.parse(body);
    } catch {
      return firstLine(body); // plain text, from a proxy or the API server
    }
  }
  return firstLine((status as { message?: unknown } | null | undefined)?.message);
}

/** `east service linkerd/web`: how an object is named in reports. */
export function named(cluster: ClusterClient, kind: string, object: KubernetesObject): string {
  const { namespace, name } = object.metadata ?? {};
  return `${cluster.name} ${kind} ${namespace ? `${namespace}/` : ""}${name ?? "?"}`;
}

/** A kubectl command a person can type, in the cluster's own context. */
export function kubectl(cluster: ClusterClient, rest: string): string {
  return `kubectl --context ${cluster.context} ${rest}`;
}
