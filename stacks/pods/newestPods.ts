import type { DaemonSet, Deployment, Job, KubernetesObject, Pod, ReplicaSet, StatefulSet } from "../../verify/api";

/** A workload as the API server returns it. */
export type PodOwner =
  | { kind: "Deployment"; object: Deployment }
  | { kind: "StatefulSet"; object: StatefulSet }
  | { kind: "DaemonSet"; object: DaemonSet }
  | { kind: "ReplicaSet"; object: ReplicaSet }
  | { kind: "Job"; object: Job }
  | { kind: "Pod"; object: Pod };

const revision = "deployment.kubernetes.io/revision";

/**
 * The pods that decide whether a workload becomes ready: those of its newest revision. A pod of an older revision may
 * crash while its replacement comes up.
 *
 * @param replicaSets all in the namespace
 * @param pods all in the namespace
 */
export function newestPods(owner: PodOwner, replicaSets: ReplicaSet[], pods: Pod[]): Pod[] {
  const living = pods.filter((pod) => !pod.metadata?.deletionTimestamp);
  const of = (object: KubernetesObject | undefined) => living.filter((pod) => isOwned(pod, object));
  switch (owner.kind) {
    case "Pod":
      return living.filter((pod) => pod.metadata?.uid === owner.object.metadata?.uid);
    case "ReplicaSet":
      return of(owner.object);
    case "Deployment": {
      const { metadata, status } = owner.object;
      // Until the controller has seen the change, the newest ReplicaSet is still the old one.
      if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return [];
      const newest = replicaSets.find(
        (set) =>
          isOwned(set, owner.object) && set.metadata?.annotations?.[revision] === metadata?.annotations?.[revision],
      );
      return of(newest);
    }
    case "StatefulSet": {
      const { spec, status } = owner.object;
      // With the default policy, an old pod that is not ready blocks its own replacement:
      // https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
      if (spec?.podManagementPolicy !== "Parallel") return of(owner.object);
      return of(owner.object).filter(
        ({ metadata }) => metadata?.labels?.["controller-revision-hash"] === status?.updateRevision,
      );
    }
    case "DaemonSet": {
      const generation = owner.object.metadata?.annotations?.["deprecated.daemonset.template.generation"];
      return of(owner.object).filter(
        ({ metadata }) => generation === undefined || metadata?.labels?.["pod-template-generation"] === generation,
      );
    }
    case "Job":
      // A Job replaces a failed pod with a new one.
      return of(owner.object)
        .sort((a, b) => created(a) - created(b))
        .slice(-1);
  }
}

function isOwned(object: KubernetesObject, owner: KubernetesObject | undefined): boolean {
  const uid = owner?.metadata?.uid;
  const references = object.metadata?.ownerReferences ?? [];
  return uid !== undefined && references.some((reference) => reference.controller === true && reference.uid === uid);
}

function created(pod: Pod): number {
  return pod.metadata?.creationTimestamp?.getTime() ?? 0;
}
