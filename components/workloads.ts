import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Manifest } from "../manifests";
import type { TrustPlan } from "../plan";
import type { Cluster } from "./clusters/cluster";
import { inCluster } from "./clusters/cluster";
import type { Linkerd } from "./linkerd";
import { trustAnnotation } from "./linkerd";

export interface WorkloadsArgs {
  cluster: Cluster;
  /** Its injector must be ready first: a pod that starts before it runs without a proxy. */
  linkerd: Linkerd;
  trust: TrustPlan;
  /** Leave the number of replicas to whoever changed it last in the cluster, for this update. */
  keepReplicas: boolean;
}

/** Kinds whose pods carry a proxy and restart by their template. */
const podOwners = new Set(["Deployment", "StatefulSet", "DaemonSet"]);

/** What stands in manifests/<cluster>/, applied to that cluster, with its `default` namespace set to injection. */
export class Workloads extends pulumi.ComponentResource {
  constructor(name: string, args: WorkloadsArgs, opts: { parent: pulumi.Resource }) {
    const { cluster, linkerd, trust, keepReplicas } = args;
    super("mesh:index:Workloads", name, {}, inCluster(cluster, opts.parent));
    const injection = new k8s.core.v1.NamespacePatch(
      `${name}-default`,
      { metadata: { name: "default", annotations: { "linkerd.io/inject": "enabled" } } },
      { parent: this },
    );
    if (cluster.plan.manifests.length > 0) {
      new k8s.yaml.v2.ConfigGroup(
        `${name}-workloads`,
        { objs: cluster.plan.manifests.map((object) => restartedBy(trust, object)) },
        {
          parent: this,
          dependsOn: [linkerd, injection],
          transforms: replicaTransforms(cluster.plan.manifests, keepReplicas),
        },
      );
    }
    this.registerOutputs();
  }
}

/** The object, with the trust fingerprint on its pods. Services stay as they are: a changed annotation of an exported one breaks its mirror. */
function restartedBy(trust: TrustPlan, object: Manifest): Manifest {
  if (!podOwners.has(object.kind)) return object;
  const spec = (object.spec ?? {}) as { template?: { metadata?: { annotations?: Record<string, string> } } };
  const metadata = spec.template?.metadata;
  return {
    ...object,
    spec: {
      ...spec,
      template: {
        ...spec.template,
        metadata: { ...metadata, annotations: { ...metadata?.annotations, [trustAnnotation]: trust.dataPlane } },
      },
    },
  };
}

/**
 * Transforms that leave `spec.replicas` alone where the manifest does not own it: in workloads that a
 * HorizontalPodAutoscaler scales, and in all of them when `all` is set. Empty where there is nothing to leave alone.
 *
 * With `ignoreChanges` the provider takes a field out of its patch when another manager has it, and keeps its value.
 * https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/#ignorechanges
 */
export function replicaTransforms(manifests: Manifest[], all: boolean): pulumi.ResourceTransform[] {
  const scaled = new Set(manifests.filter(({ kind }) => kind === "HorizontalPodAutoscaler").map(scaleTarget));
  if (!all && scaled.size === 0) return [];
  return [
    ({ type, props, opts }) => {
      const [, kind] = /^kubernetes:apps\/v1:(Deployment|StatefulSet|ReplicaSet)$/.exec(type) ?? [];
      const { metadata } = props as Partial<Manifest>;
      if (!kind || !metadata) return undefined;
      const isScaled = all || scaled.has(workloadKey(kind, metadata.name, metadata.namespace));
      return isScaled ? { props, opts: { ...opts, ignoreChanges: ["spec.replicas"] } } : undefined;
    },
  ];
}

function scaleTarget({ metadata, spec }: Manifest): string {
  const { kind = "", name = "" } =
    (spec as { scaleTargetRef?: { kind?: string; name?: string } } | undefined)?.scaleTargetRef ?? {};
  return workloadKey(kind, name, metadata.namespace);
}

const workloadKey = (kind: string, name: string, namespace = "default") => `${kind} ${namespace}/${name}`;
