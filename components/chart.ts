import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { isLocal } from "./clusters/cluster";
import { withoutRefusals } from "./policyValidator";
import { type ChartArgs, type KubernetesObject, type Options, rendering } from "./rendering";
import { slim } from "./slimCrds";
import { unsettled } from "./unsettledServices";

/** Either hands out its children, and is there when they are ready. */
export type Chart = k8s.helm.v4.Chart | k8s.yaml.v2.ConfigGroup;

/**
 * A chart's objects in one cluster, each a resource.
 *
 * In a cluster of yours it is Pulumi's own helm.v4.Chart, which renders it in each preview. In a local one it is a group of the
 * objects it was rendered to once.
 *
 * @example
 * const chart = installChart("mesh-east-multicluster", { cluster, chart: path, namespace: "linkerd-multicluster", values: {} }, { parent });
 */
export function installChart(name: string, args: ChartArgs, opts: Options): Chart {
  const { cluster, chart, namespace, values } = args;
  if (!isLocal(cluster)) {
    return new k8s.helm.v4.Chart(name, { chart, namespace, values }, { ...opts, transforms: [shapeChild] });
  }
  // JSON is YAML.
  const write = (objects: KubernetesObject[]) =>
    objects.map((object) => JSON.stringify(shaped(object))).join("\n---\n");
  const file = rendering(name, { cluster, chart, namespace, values, write }, opts);
  return new k8s.yaml.v2.ConfigGroup(name, { files: [file] }, opts);
}

/** The transform of a helm.v4.Chart: the provider calls back for each child. */
export function shapeChild({
  type,
  props,
  opts,
}: pulumi.ResourceTransformArgs): pulumi.ResourceTransformResult | undefined {
  const [, kind = ""] = /^kubernetes:(?:core|[a-z]+\.k8s\.io)\/v1:(\w+)$/.exec(type) ?? [];
  return kind in shapes ? { props: shaped({ ...props, kind } as KubernetesObject), opts } : undefined;
}

const shapes: Record<string, (object: KubernetesObject) => KubernetesObject> = {
  CustomResourceDefinition: slim,
  Service: unsettled,
  ValidatingWebhookConfiguration: withoutRefusals,
};

function shaped(object: KubernetesObject): KubernetesObject {
  return shapes[object.kind]?.(object) ?? object;
}
