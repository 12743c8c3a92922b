import type { EngineEvent, StepMetadata } from "../eventLog";

/** Kinds that have pods. The kubernetes provider waits for each of them, up to ten minutes. */
const kinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"] as const;

/** Operations that end when the pods are ready. */
const operations = ["create", "create-replacement", "update", "import"];

/** An object with pods that the engine is waiting for. */
export interface Workload {
  /** Name in the mesh. Example: `east` */
  cluster: string;
  kind: (typeof kinds)[number];
  /** Undefined: the namespace of the kubeconfig's context. */
  namespace?: string;
  name: string;
}

/** Tracks, from the engine's events, the workloads that it is working on. */
export class WorkloadsInFlight {
  private readonly begun = new Map<string, { workload: Workload; at: number }>();

  /** @param now milliseconds */
  see(event: EngineEvent, now: number): void {
    const begun = event.resourcePreEvent?.metadata;
    const workload = begun && workloadOf(begun);
    if (workload) this.begun.set(key(begun), { workload, at: now });
    const ended = event.resOutputsEvent?.metadata ?? event.resOpFailedEvent?.metadata;
    if (ended) this.begun.delete(key(ended));
  }

  /** Workloads in flight that were begun at this moment or before. */
  begunBy(moment: number): Workload[] {
    return [...this.begun.values()].filter(({ at }) => at <= moment).map(({ workload }) => workload);
  }
}

/** Includes the operation, because a replacement has several steps with one URN. */
function key({ op, urn }: StepMetadata): string {
  return `${op} ${urn}`;
}

function workloadOf({ op, provider, new: state }: StepMetadata): Workload | undefined {
  // The provider's name contains the cluster's: clusterProvider in components/clusters/cluster.ts.
  const [, cluster] = /pulumi:providers:kubernetes::mesh-(.+?)::/.exec(provider ?? "") ?? [];
  const { kind, metadata } = (state?.inputs ?? {}) as {
    kind?: string;
    metadata?: { name?: string; namespace?: string };
  };
  const known = kinds.find((one) => one === kind);
  if (!operations.includes(op) || !cluster || !known || !metadata?.name) return undefined;
  return { cluster, kind: known, namespace: metadata.namespace, name: metadata.name };
}
