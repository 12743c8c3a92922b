import type * as pulumi from "@pulumi/pulumi";
import { drainedBeforeExit } from "./gracefulExit";
import type { Manifest } from "../config/manifests";
import { type After, Objects } from "./objects";
import { fill } from "./placeholders";
import { withoutRefusals } from "./policyValidator";
import { strip } from "./stripCrds";
import { skipAwait } from "./skipAwait";
import { withoutZeroDelays } from "./zeroDelays";

export interface ChartArgs {
  /** The rendered chart. */
  objects: Manifest[];
  /** Texts for its placeholders, by name. */
  texts?: Record<string, pulumi.Input<string>>;
  /** Provider of the objects that stay when the chart is removed. Default: the provider of the other objects. */
  keptBy?: pulumi.ProviderResource;
  /** What a part of its objects waits for besides. Default: nothing */
  after?: After;
}

interface Options {
  parent: pulumi.Resource;
  dependsOn?: pulumi.Input<pulumi.Resource>[];
}

/**
 * A chart's objects in one cluster, each as its own resource.
 *
 * @example const chart = installChart("mesh-east-multicluster", { objects }, { parent });
 */
export function installChart(name: string, { objects, texts = {}, keptBy, after }: ChartArgs, opts: Options): Objects {
  const filled = objects.map((object) => fill(shaped(object), texts) as Manifest);
  const optionsOf = (object: Manifest) =>
    isKept(object) ? { retainOnDelete: true, ...(keptBy && { provider: keptBy }) } : {};
  return new Objects(name, { objects: filled, optionsOf, after }, opts);
}

/** https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource */
function isKept({ metadata }: Manifest): boolean {
  return metadata.annotations?.["helm.sh/resource-policy"] === "keep";
}

const shapes: Record<string, (object: Manifest) => Manifest> = {
  CustomResourceDefinition: strip,
  Deployment: (object) => drainedBeforeExit(withoutZeroDelays(object)),
  Service: skipAwait,
  ValidatingWebhookConfiguration: withoutRefusals,
};

/** Adapts an object to this program. A kind of the same name in another API group stays unchanged. */
export function shaped(object: Manifest): Manifest {
  const ofKubernetes = /^(v1|apps\/v1|[a-z]+\.k8s\.io\/v1)$/.test(object.apiVersion);
  return (ofKubernetes && shapes[object.kind]?.(object)) || object;
}
