import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { isLocal } from "./clusters/cluster";
import { drainedBeforeExit } from "./gracefulExit";
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
  const { cluster, chart, namespace, values, keptBy } = args;
  if (!isLocal(cluster)) {
    const transforms = [(args: pulumi.ResourceTransformArgs) => shapeChild(args, keptBy)];
    return new k8s.helm.v4.Chart(name, { chart, namespace, values }, { ...opts, transforms });
  }
  // JSON is YAML.
  const write = (objects: KubernetesObject[]) =>
    objects.map((object) => JSON.stringify(shaped(object))).join("\n---\n");
  const file = rendering(name, { cluster, chart, namespace, values, write }, opts);
  return new k8s.yaml.v2.ConfigGroup(name, { files: [file] }, opts);
}

/**
 * The transform of a helm.v4.Chart: the provider calls back for each child.
 *
 * @param keptBy provider of the objects that Helm's resource policy keeps
 */
export function shapeChild(
  { type, props, opts }: pulumi.ResourceTransformArgs,
  keptBy?: pulumi.ProviderResource,
): pulumi.ResourceTransformResult | undefined {
  const [, kind = ""] = /^kubernetes:(?:core|apps|[a-z]+\.k8s\.io)\/v1:(\w+)$/.exec(type) ?? [];
  if (!(kind in shapes)) return undefined;
  const object = shaped({ ...props, kind } as KubernetesObject);
  return { props: object, opts: keptBy && isKept(object) ? { ...opts, provider: keptBy } : opts };
}

/** https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource */
function isKept({ metadata }: KubernetesObject): boolean {
  return metadata.annotations?.["helm.sh/resource-policy"] === "keep";
}

const shapes: Record<string, (object: KubernetesObject) => KubernetesObject> = {
  CustomResourceDefinition: slim,
  Deployment: drainedBeforeExit,
  Service: unsettled,
  ValidatingWebhookConfiguration: withoutRefusals,
};

function shaped(object: KubernetesObject): KubernetesObject {
  return shapes[object.kind]?.(object) ?? object;
}
