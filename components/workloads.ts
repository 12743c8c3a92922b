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
}

/** Kinds whose pods carry a proxy and restart by their template. */
const podOwners = new Set(["Deployment", "StatefulSet", "DaemonSet"]);

/** What stands in manifests/<cluster>/, applied to that cluster, with its `default` namespace set to injection. */
export class Workloads extends pulumi.ComponentResource {
  constructor(name: string, args: WorkloadsArgs, opts: { parent: pulumi.Resource }) {
    const { cluster, linkerd, trust } = args;
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
        { parent: this, dependsOn: [linkerd, injection] },
      );
    }
    this.registerOutputs();
  }
}

/** The object, with the trust fingerprint on its pods. Services are left alone: see LINKERD's annotation trap in docs. */
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
        metadata: { ...metadata, annotations: { ...metadata?.annotations, [trustAnnotation]: trust.fingerprint } },
      },
    },
  };
}
