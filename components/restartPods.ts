import { setTimeout as sleep } from "node:timers/promises";
import { ApiException, AppsV1Api, CoreV1Api, KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { isRolledOut } from "../lib/rolledOut";
import { UserError } from "../lib/run";
import { runToEnd } from "../lib/verbs";
import { givenKubeconfig } from "./givenKubeconfig";
import { hasOtherTrustRoots, presentTrustRootHash } from "../lib/trustRoots";

/** How long a pod may take to terminate, or its replacement to become ready. */
const restartMilliseconds = 300_000;

/** `kubectl rollout restart` sets it as well. */
const restartedAt = "kubectl.kubernetes.io/restartedAt";

/** One round is enough if all injectors have the current trust anchors. Their mounted ConfigMap may be a minute old. */
const rounds = 4;

const extension = "linkerd-multicluster";

/** Label on the namespaces of verify and acceptance runs. Those runs restart their own pods. */
const runLabel = "linkerd-multicluster-mesh/verify-run";

interface Apis {
  core: CoreV1Api;
  apps: AppsV1Api;
}

/**
 * Restarts the meshed pods that are older than the newest identity controller or have outdated trust anchors, and waits
 * until their replacements are ready. workloads.ts runs it when certificates change. A new cluster has no such pods.
 *
 * A proxy reads the trust anchors and gets its certificate when it starts. Deployments restart by their own strategy, which
 * starts a new pod before it stops an old one. All other pods are evicted one at a time. So pods with update strategy
 * OnDelete or below a partition restart too, and PodDisruptionBudgets are respected.
 *
 * The gateways must be rolled out first: a request fails if a gateway and the pod behind it change at the same time.
 * The kubernetes provider does not always wait for them (awaitWebhooks.ts).
 *
 * Environment: MESH_CLUSTER_NAME (the physical name) of a local cluster, else MESH_KUBECONFIG.
 *
 * @throws Error naming a pod that nothing recreates, or whose replacement is not ready after five minutes
 */
async function restartPods(kubeconfig: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const apis = { core: config.makeApiClient(CoreV1Api), apps: config.makeApiClient(AppsV1Api) };
  await until("the multicluster extension has not finished its rollout", extension, async () => {
    const { items } = await apis.apps.listNamespacedDeployment({ namespace: extension });
    return items.every(isRolledOut);
  });
  let left = await outdated(apis);
  for (let round = 0; round < rounds && left.length > 0; round++) {
    await restartAll(apis, left);
    left = await outdated(apis);
  }
  if (left.length > 0)
    throw new UserError(`these pods have old trust anchors after ${rounds} restarts: ${names(left)}`);
}

async function restartAll(apis: Apis, pods: V1Pod[]): Promise<void> {
  const stuck = pods.filter((pod) => ["Job", undefined].includes(controllerOf(pod)?.kind));
  if (stuck.length > 0) {
    throw new UserError(
      `nothing recreates these pods, and their proxies keep the old trust anchor: ${names(stuck)}. ` +
        "Next: delete them, or wait for their Jobs, then run the same command again",
    );
  }
  const done = new Set<string>();
  for (const pod of pods) {
    const deployment = await deploymentOf(apis, pod);
    if (deployment === undefined) {
      console.log(`restarting pod ${called(pod)}`);
      await evict(apis, pod);
    } else if (!done.has(deployment)) {
      done.add(deployment);
      console.log(`restarting deployment ${deployment}`);
      await rollOut(apis, pod.metadata?.namespace ?? "", deployment.split("/")[1] ?? "");
    }
  }
}

/** Highest ordinal first, as a StatefulSet restarts its own. */
async function outdated({ core }: Apis): Promise<V1Pod[]> {
  const [{ items: pods }, { items: namespaces }, hash] = await Promise.all([
    core.listPodForAllNamespaces(),
    core.listNamespace(),
    presentTrustRootHash(core),
  ]);
  const injected = new Map(
    namespaces.map(({ metadata }) => [metadata?.name, metadata?.annotations?.["linkerd.io/inject"] === "enabled"]),
  );
  const others = new Set(
    namespaces
      .filter(({ metadata }) => metadata?.labels?.[runLabel] !== undefined)
      .map(({ metadata }) => metadata?.name),
  );
  const born = ({ metadata }: V1Pod) => metadata?.creationTimestamp?.getTime() ?? 0;
  const isIdentity = ({ metadata }: V1Pod) =>
    metadata?.labels?.["linkerd.io/control-plane-component"] === "identity" && metadata.namespace === "linkerd";
  const newest = Math.max(...pods.filter(isIdentity).map(born));
  return pods
    .filter((pod) => {
      const { namespace, deletionTimestamp, annotations } = pod.metadata ?? {};
      const wanted = annotations?.["linkerd.io/inject"] ?? (injected.get(namespace) ? "enabled" : "disabled");
      const ended = ["Succeeded", "Failed"].includes(pod.status?.phase ?? "");
      if (namespace === "linkerd" || others.has(namespace) || deletionTimestamp || ended) return false;
      const isMeshed = hasProxy(pod) || (wanted === "enabled" && controllerOf(pod) !== undefined);
      return isMeshed && (born(pod) < newest || hasOtherTrustRoots(pod, hash));
    })
    .sort((a, b) => called(b).localeCompare(called(a), "en", { numeric: true }));
}

/** The proxy is an init container where it is a native sidecar. */
function hasProxy({ spec }: V1Pod): boolean {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(({ name }) => name === "linkerd-proxy");
}

const called = ({ metadata }: V1Pod): string => `${metadata?.namespace}/${metadata?.name}`;

const names = (pods: V1Pod[]): string => pods.map(called).join(", ");

function controllerOf({ metadata }: V1Pod): { kind: string; name: string; uid: string } | undefined {
  return metadata?.ownerReferences?.find(({ controller }) => controller);
}

async function deploymentOf({ apps }: Apis, pod: V1Pod): Promise<string | undefined> {
  const controller = controllerOf(pod);
  if (controller?.kind !== "ReplicaSet") return undefined;
  const namespace = pod.metadata?.namespace ?? "";
  const { metadata } = await apps.readNamespacedReplicaSet({ namespace, name: controller.name });
  const owner = metadata?.ownerReferences?.find((reference) => reference.controller);
  return owner?.kind === "Deployment" ? `${namespace}/${owner.name}` : undefined;
}

async function evict({ core }: Apis, pod: V1Pod): Promise<void> {
  const { namespace = "", name = "", uid } = pod.metadata ?? {};
  const owner = controllerOf(pod)?.uid;
  const siblings = async () => {
    const { items } = await core.listNamespacedPod({ namespace });
    return items.filter((one) => controllerOf(one)?.uid === owner);
  };
  const isReady = ({ metadata, status }: V1Pod) =>
    !metadata?.deletionTimestamp &&
    (status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True");
  const before = (await siblings()).filter(isReady).length;
  await until(`a PodDisruptionBudget blocks the eviction of pod ${called(pod)}`, namespace, async () => {
    try {
      await core.createNamespacedPodEviction({ namespace, name, body: { metadata: { namespace, name } } });
    } catch (error) {
      // 429: the budget allows no disruption now. https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
      if (error instanceof ApiException && error.code === 429) return false;
      if (!(error instanceof ApiException && error.code === 404)) throw error;
    }
    return true;
  });
  await until(`the replacement of pod ${called(pod)} is not ready`, namespace, async () => {
    const now = await siblings();
    return now.every(({ metadata }) => metadata?.uid !== uid) && now.filter(isReady).length >= before;
  });
}

async function rollOut({ apps }: Apis, namespace: string, name: string): Promise<void> {
  const { spec } = await apps.readNamespacedDeployment({ namespace, name });
  const value = { ...spec?.template.metadata?.annotations, [restartedAt]: new Date().toISOString() };
  const body = [{ op: "add", path: "/spec/template/metadata/annotations", value }];
  const { metadata } = await apps.patchNamespacedDeployment({ namespace, name, body });
  await until(`deployment ${namespace}/${name} has not finished its restart`, namespace, async () => {
    const now = await apps.readNamespacedDeployment({ namespace, name });
    return (now.metadata?.generation ?? 0) >= (metadata?.generation ?? 0) && isRolledOut(now);
  });
}

/** @throws Error that names the obstacle, after five minutes */
async function until(obstacle: string, namespace: string, done: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + restartMilliseconds;
  while (!(await done())) {
    if (Date.now() > end)
      throw new UserError(`${obstacle} after five minutes. Next: kubectl -n ${namespace} describe pods`);
    await sleep(500);
  }
}

void runToEnd(async () => restartPods(await givenKubeconfig()));
