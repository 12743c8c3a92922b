import type * as k8s from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { client, found, type Pod, reason, type ReplicaSet } from "../../verify/api";
import type { Fault } from "./faults";
import type { Workload } from "./inFlight";
import type { Access } from "./kubeconfig";
import { newestPods, type PodOwner } from "./newestPods";

/** Limits each request, so that an API server that starts or hangs does not delay the checks of the others. */
const requestSeconds = 5;

/** How many lines of a log are shown, and how much of each. */
const [logLines, lineLength] = [10, 500];

/**
 * Reasons of the events for a pod that gets a new node, from Karpenter and from the cluster autoscaler:
 * https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
 */
const scaleUpReasons = ["TriggeredScaleUp", "Nominated"];

/** A client for one cluster's pods while an update waits for them. */
export class WatchedCluster {
  private constructor(
    private readonly core: k8s.CoreV1Api,
    private readonly apps: k8s.AppsV1Api,
    private readonly batch: k8s.BatchV1Api,
    readonly context: string,
    private readonly namespace: string,
  ) {}

  /** @param signal aborts all requests */
  static async connect({ kubeconfig }: Access, signal: AbortSignal): Promise<WatchedCluster> {
    const { KubeConfig, CoreV1Api, AppsV1Api, BatchV1Api, ServerConfiguration, createConfiguration, wrapHttpLibrary } =
      await client();
    const kube = new KubeConfig();
    kube.loadFromString(kubeconfig);
    const context = kube.getCurrentContext();
    const server = kube.getCurrentCluster()?.server ?? "";
    const parameters = { baseServer: new ServerConfiguration(server, {}), authMethods: { default: kube } };
    const { httpApi } = createConfiguration(parameters);
    const configuration = createConfiguration({
      ...parameters,
      httpApi: wrapHttpLibrary({
        send: async (request) => {
          request.setSignal(AbortSignal.any([signal, after(requestSeconds)]));
          const response = await httpApi.send(request).toPromise();
          // An empty log comes without a content type, and the client refuses to read it then.
          response.headers["content-type"] ??= "text/plain";
          return response;
        },
      }),
    });
    return new WatchedCluster(
      new CoreV1Api(configuration),
      new AppsV1Api(configuration),
      new BatchV1Api(configuration),
      context,
      kube.getContextObject(context)?.namespace ?? "default",
    );
  }

  /** The pods that each workload is waiting for. */
  async podsOf(workloads: Workload[]): Promise<{ workload: Workload; pods: Pod[] }[]> {
    const namespaces = [...new Set(workloads.map((workload) => this.namespaceOf(workload)))];
    const waiting = await Promise.all(
      namespaces.map(async (namespace) => {
        const here = workloads.filter((workload) => this.namespaceOf(workload) === namespace);
        const [pods, replicaSets, ...owners] = await Promise.all([
          this.core.listNamespacedPod({ namespace }),
          here.some(({ kind }) => kind === "Deployment")
            ? this.apps.listNamespacedReplicaSet({ namespace })
            : undefined,
          ...here.map((workload) => this.owner(workload)),
        ]);
        return here.map((workload, i) => {
          const owner = owners[i];
          const sets: ReplicaSet[] = replicaSets?.items ?? [];
          return { workload, pods: owner ? newestPods(owner, sets, pods.items) : [] };
        });
      }),
    );
    return waiting.flat();
  }

  /** Whether an autoscaler is creating a node for the pod. */
  async isScaledUp({ namespace, uid }: Fault): Promise<boolean> {
    const fieldSelector = `involvedObject.uid=${uid}`;
    const { items } = await this.core.listNamespacedEvent({ namespace, fieldSelector });
    return items.some((event) => scaleUpReasons.includes(event.reason ?? ""));
  }

  /** The last log lines of a crashed container: from its previous run, else from the current one. */
  async logOf({ namespace, pod, container }: Fault): Promise<{ log: string[]; noLog?: string; previous: boolean }> {
    let noLog = "";
    for (const previous of [true, false]) {
      try {
        const text = await this.core.readNamespacedPodLog({
          name: pod,
          namespace,
          container,
          previous,
          tailLines: logLines,
        });
        const log = text.trimEnd().split("\n");
        if (text.trim() !== "") return { log: log.map((line) => line.slice(0, lineLength)), previous };
        noLog = "the log is empty";
      } catch (error) {
        noLog = whyNot(error);
      }
    }
    return { log: [], noLog, previous: false };
  }

  private namespaceOf({ namespace }: Workload): string {
    return namespace ?? this.namespace;
  }

  /** Undefined if it does not exist yet. */
  private async owner(workload: Workload): Promise<PodOwner | undefined> {
    const { kind, name } = workload;
    const where = { name, namespace: this.namespaceOf(workload) };
    switch (kind) {
      case "Deployment":
        return asOwner(kind, await found(this.apps.readNamespacedDeployment(where)));
      case "StatefulSet":
        return asOwner(kind, await found(this.apps.readNamespacedStatefulSet(where)));
      case "DaemonSet":
        return asOwner(kind, await found(this.apps.readNamespacedDaemonSet(where)));
      case "ReplicaSet":
        return asOwner(kind, await found(this.apps.readNamespacedReplicaSet(where)));
      case "Job":
        return asOwner(kind, await found(this.batch.readNamespacedJob(where)));
      case "Pod":
        return asOwner(kind, await found(this.core.readNamespacedPod(where)));
    }
  }
}

/** Node.js 20 can garbage-collect an AbortSignal.timeout inside AbortSignal.any, and it then never fires. */
function after(seconds: number): AbortSignal {
  const over = new AbortController();
  setTimeout(() => over.abort(), seconds * 1000).unref();
  return over.signal;
}

/** Why a request failed, in one line. */
export function whyNot(error: unknown): string {
  return (error as Error).name === "AbortError" ? `no answer within ${requestSeconds} s` : reason(error);
}

function asOwner<K extends PodOwner["kind"]>(kind: K, object: Extract<PodOwner, { kind: K }>["object"] | undefined) {
  return object && ({ kind, object } as Extract<PodOwner, { kind: K }>);
}
