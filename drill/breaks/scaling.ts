import { UserError } from "../../lib/run";
import { extension, found, kubectl, type ClusterClient } from "../../verify/api";
import { exportLabel, isHeadless } from "../../verify/mirroredServices";
import { nextDrill, type Drill, type Place } from "../drill";
import { managersPatch, patchRaw, readRaw, type ManagedFields, type ObjectPath } from "./objects";

/** A workload with its number of replicas before the break and during it. */
interface Scaled {
  path: ObjectPath;
  replicas: number;
  broken: number;
  managedFields: ManagedFields[];
}

const deployment = (name: string): ObjectPath => ({
  ...{ group: "apps", version: "v1", plural: "deployments" },
  ...{ namespace: extension, name },
});

async function look(cluster: ClusterClient, path: ObjectPath, broken: (replicas: number) => number): Promise<Scaled> {
  const object = await readRaw(cluster, path);
  const replicas = Number(object?.spec?.replicas ?? 1);
  if (!object || replicas === 0) {
    const why = object ? "is scaled to 0 already" : "does not exist";
    throw new UserError(`${cluster.name}: ${path.name} ${why}. Next: ${kubectl(cluster, `-n ${path.namespace} get ${path.plural}`)}`); // prettier-ignore
  }
  return { path, replicas, broken: broken(replicas), managedFields: object.metadata.managedFields ?? [] };
}

async function scaleDown(cluster: ClusterClient, { path, broken }: Scaled): Promise<void> {
  await patchRaw(cluster, path, [{ op: "replace", path: "/spec/replicas", value: broken }]);
}

async function scaleBack(cluster: ClusterClient, { path, replicas, broken, managedFields }: Scaled): Promise<void> {
  const object = await readRaw(cluster, path);
  const now = object?.spec?.replicas;
  if (now === broken) await patchRaw(cluster, path, [{ op: "replace", path: "/spec/replicas", value: replicas }]);
  // A run that was killed between the two patches left the right number.
  if (now === broken || now === replicas) await patchRaw(cluster, path, managersPatch(managedFields));
}

export const gateway: Drill<Scaled> = {
  id: "gateway",
  breaks: ({ target }) => `the gateway of ${target.name} is scaled to 0`,
  operator: ({ stack, target }) =>
    `npm start -- ${stack.name} --refresh puts the replicas back. ` +
    `If they are right and pods are not ready: ${kubectl(target, `-n ${extension} describe pods -l app=linkerd-gateway`)}`,
  changes: "target",
  prepare: ({ target }) => look(target, deployment("linkerd-gateway"), () => 0),
  break: ({ target }, state) => scaleDown(target, state),
  restore: ({ target }, state) => scaleBack(target, state),
};

export const controller: Drill<Scaled> = {
  id: "controller",
  breaks: ({ source, target }) => `controller-${target.name} in ${source.name} is scaled to 0`,
  operator: ({ stack, source, target }) =>
    `npm start -- ${stack.name} --refresh puts the replicas back. Nothing is lost meanwhile, but new and changed ` +
    `services of ${target.name} are not mirrored: ${kubectl(source, `-n ${extension} logs deploy/controller-${target.name}`)}`,
  changes: "source",
  prepare: ({ source, target }) => look(source, deployment(`controller-${target.name}`), () => 0),
  break: ({ source }, state) => scaleDown(source, state),
  restore: ({ source }, state) => scaleBack(source, state),
};

interface LostPod extends Scaled {
  pod: string;
}

/** The StatefulSets whose pods have names of their own in other clusters. */
async function exportedSets({ target }: Place): Promise<ObjectPath[]> {
  const [services, sets] = await Promise.all([
    target.core.listServiceForAllNamespaces({ labelSelector: `${exportLabel}=true` }),
    target.apps.listStatefulSetForAllNamespaces(),
  ]);
  return services.items
    .filter((service) => isHeadless(service) && (service.spec?.ports ?? []).length > 0)
    .flatMap(({ metadata: service }) =>
      sets.items
        .filter(
          ({ metadata, spec }) => metadata?.namespace === service?.namespace && spec?.serviceName === service?.name,
        )
        .map(({ metadata }): ObjectPath => {
          const { namespace = "", name = "" } = metadata ?? {};
          return { group: "apps", version: "v1", plural: "statefulsets", namespace, name };
        }),
    );
}

/** Scaling down keeps the pod away. Deleting it without a grace period makes the loss sudden. */
export const pod: Drill<LostPod> = {
  id: "pod",
  breaks: ({ target }) => `the last pod of an exported StatefulSet in ${target.name} is killed and stays away`,
  operator: ({ stack, target }) =>
    "A pod that crashed or lost its node comes back by itself: the StatefulSet makes it again, and its mirror follows. " +
    `If it does not: ${kubectl(target, "get pods -A")}, then npm run heal -- ${stack.name}`,
  changes: "target",
  async prepare(place) {
    const [path] = await exportedSets(place);
    if (!path) throw new UserError(`${place.target.name} exports no StatefulSet's pods. ${nextDrill(place)}`);
    const scaled = await look(place.target, path, (replicas) => replicas - 1);
    const set = await place.target.apps.readNamespacedStatefulSet(path);
    const first = set.spec?.ordinals?.start ?? 0;
    return { ...scaled, pod: `${path.name}-${first + scaled.broken}` };
  },
  async break({ target }, state) {
    await scaleDown(target, state);
    const { namespace } = state.path;
    await found(target.core.deleteNamespacedPod({ namespace, name: state.pod, gracePeriodSeconds: 0 }));
  },
  restore: ({ target }, state) => scaleBack(target, state),
};
