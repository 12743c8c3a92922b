import { createHash } from "node:crypto";
import { trustRootHash } from "../lib/trustRoots";
import { found, kubectl, named, type ClusterClient, type Pod } from "./api";
import { certificates } from "./certificates";
import { always, no, yes, type ClusterCheck, type Finding } from "./check";
import { isRunning } from "./pods";
import { bundleOf, rootsObject } from "./trust";

/** On every pod that has a proxy. linkerd2, pkg/k8s/labels.go. */
const meshedLabel = "linkerd.io/control-plane-ns";
const anchorsVariable = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS";

/**
 * Why a pod's proxy does not trust exactly the present anchors, or undefined. Also undefined for a pod without a proxy.
 *
 * The injector writes the anchors into the proxy's environment. `linkerd check --proxy` reads them there as well
 * (checkPodsProxiesCertificate in linkerd2's healthcheck.go). It skips the control plane's own pods. These refer to the
 * ConfigMap instead, and read it once, when they start. Their annotation has the hash of the anchors that the chart was
 * given. This program writes the same anchors into the ConfigMap before it restarts the pods.
 */
export function anchorFault({ metadata, spec }: Pod, bundle: string): string | undefined {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const proxy = containers.find(({ name }) => name === "linkerd-proxy");
  const variable = proxy?.env?.find(({ name }) => name === anchorsVariable);
  if (variable?.valueFrom?.configMapKeyRef) {
    const hash = metadata?.annotations?.[trustRootHash];
    const present = [bundle, bundle.trim(), `${bundle.trim()}\n`].map(sha256);
    return hash === undefined || present.includes(hash)
      ? undefined
      : "started with other anchors than the present ones";
  }
  if (variable?.value === undefined || variable.value.trim() === bundle.trim()) return undefined;
  const prints = (pem: string): string[] => certificates(pem).map(({ fingerprint256 }) => fingerprint256);
  const [trusted, present] = [new Set(prints(variable.value)), prints(bundle)];
  const shared = present.filter((print) => trusted.has(print)).length;
  if (shared === 0) return "trusts none of the present anchors: it and the other proxies refuse each other";
  return shared < present.length
    ? `trusts only ${shared} of the ${present.length} present anchors`
    : "also trusts an anchor that was dropped";
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The fields of a pod's owner that decide whether it restarts its pods. */
export interface PodOwner {
  kind: string;
  name: string;
  updateStrategy?: { type?: string; rollingUpdate?: { partition?: number } };
  paused?: boolean;
}

/** Why Kubernetes has not restarted this pod. */
export function whyNotRestarted(pod: Pod, owner: PodOwner | undefined): string {
  if (!owner) return "a bare pod, which nothing restarts";
  const { kind, name, updateStrategy, paused } = owner;
  const called = `${kind} ${name}`;
  if (updateStrategy?.type === "OnDelete") return `${called} has updateStrategy OnDelete`;
  const partition = updateStrategy?.rollingUpdate?.partition ?? 0;
  const ordinal = Number(/-(\d+)$/.exec(pod.metadata?.name ?? "")?.[1]);
  if (kind === "StatefulSet" && ordinal < partition)
    return `${called} has partition ${partition} in its updateStrategy`;
  if (kind === "Job") return `${called} runs to its end with what it started with`;
  if (kind === "ReplicaSet" || kind === "ReplicationController") return `${called} never replaces running pods`;
  return paused ? `${called} is paused` : `${called} has not restarted it`;
}

/** The controller of a pod. For a Deployment's pod this is the Deployment, not its ReplicaSet. */
async function ownerOf({ apps }: ClusterClient, { metadata }: Pod): Promise<PodOwner | undefined> {
  const reference = metadata?.ownerReferences?.find(({ controller }) => controller);
  if (!reference) return undefined;
  const { kind, name } = reference;
  const path = { namespace: metadata?.namespace ?? "", name };
  if (kind === "StatefulSet") {
    return { kind, name, updateStrategy: (await found(apps.readNamespacedStatefulSet(path)))?.spec?.updateStrategy };
  }
  if (kind === "DaemonSet") {
    const type = (await found(apps.readNamespacedDaemonSet(path)))?.spec?.updateStrategy?.type;
    return { kind, name, updateStrategy: { type } };
  }
  if (kind !== "ReplicaSet") return { kind, name };
  const set = await found(apps.readNamespacedReplicaSet(path));
  const above = set?.metadata?.ownerReferences?.find(({ controller }) => controller);
  if (above?.kind !== "Deployment") return { kind, name };
  const deployment = await found(apps.readNamespacedDeployment({ ...path, name: above.name }));
  return { kind: above.kind, name: above.name, paused: deployment?.spec?.paused };
}

/** Commands that delete the pods. Their owners recreate them, and the next update recreates the stack's bare pods. */
function restart(cluster: ClusterClient, stale: readonly { pod: Pod; owner?: PodOwner }[], stack: string): string {
  const namespaces = new Set(stale.map(({ pod }) => pod.metadata?.namespace ?? ""));
  const deletions = [...namespaces].map((namespace) => {
    const names = stale.flatMap(({ pod }) => (pod.metadata?.namespace === namespace ? [pod.metadata.name] : []));
    return kubectl(cluster, `-n ${namespace} delete pod ${names.join(" ")}`);
  });
  const bare = stale.some(({ owner }) => owner === undefined);
  return [...deletions, ...(bare ? [`npm start -- ${stack} --refresh`] : [])].join(" && ");
}

export const podAnchors: ClusterCheck = {
  id: "health.pod-anchors",
  group: "health",
  scope: "cluster",
  title: "Does every meshed pod trust the present anchors?",
  deadlineSeconds: 15,
  applies: always,
  async run({ cluster, stack }): Promise<Finding> {
    const [bundle, { items }] = await Promise.all([
      bundleOf(cluster),
      cluster.core.listPodForAllNamespaces({ labelSelector: meshedLabel }),
    ]);
    const next = `npm start -- ${stack.name} --refresh`;
    if (bundle === undefined) return no("there is no trust anchor to compare with", [rootsObject(cluster)], next);
    // A pod that ends, or has ended, needs no restart.
    const running = items.filter(isRunning);
    const faulty = running.flatMap((pod) => {
      const fault = anchorFault(pod, bundle);
      return fault === undefined ? [] : [{ pod, fault }];
    });
    if (faulty.length === 0) return yes(`${running.length} meshed pods trust exactly them`, [rootsObject(cluster)]);
    const stale = await Promise.all(faulty.map(async (one) => ({ ...one, owner: await ownerOf(cluster, one.pod) })));
    return no(
      stale
        .map(({ pod, fault, owner }) => {
          const name = `${pod.metadata?.namespace}/${pod.metadata?.name}`;
          return `${name} ${fault} (${whyNotRestarted(pod, owner)})`;
        })
        .join("; "),
      [rootsObject(cluster), ...stale.map(({ pod }) => named(cluster, "pod", pod))],
      restart(cluster, stale, stack.name),
    );
  },
};
