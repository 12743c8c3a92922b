import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { checkArgs } from "../config/arguments";
import type { Manifest } from "../config/manifests";
import { isGiven, isNamespace, missingNamespaces } from "../config/namespaces";
import { type Generations, restartsOf } from "../config/trust";
import { type InClusterArgs, withProvider } from "./clusters/cluster";
import { commandDefaults, program } from "./clusters/program";
import { kubeconfigEnvironment } from "./givenKubeconfig";
import type { LinkerdParts } from "./linkerd";
import type { LinkEnd } from "./multicluster";
import { Objects } from "./objects";
import { part, sourcesOf } from "./parts";

export interface WorkloadsArgs extends InClusterArgs, Generations {
  /** The output `installed` of the cluster's Linkerd: a pod that starts before it runs without a proxy. */
  linkerd: pulumi.Input<LinkerdParts>;
  /** The output `end` of its Multicluster, whose pods restart before the workloads' do when certificates change. */
  multicluster: pulumi.Input<LinkEnd>;
  /** Kubernetes objects, as in a manifest. Default: none */
  manifests?: Manifest[];
  /** Namespaces to make, besides those of the manifests. Default: those that the manifests need */
  namespaces?: string[];
}

const injected = { "linkerd.io/inject": "enabled" };

/**
 * Kubernetes objects in a cluster, with injection enabled in their namespaces. When certificates change, all meshed pods
 * of the cluster restart, including those of other workloads.
 *
 * @throws RefusedError for faulty arguments
 * @example new Workloads("east", { kubeconfig, linkerd: linkerd.installed, multicluster: multicluster.end, manifests });
 */
export class Workloads extends pulumi.ComponentResource {
  constructor(name: string, args: WorkloadsArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArgs("Workloads", name, args);
    super("mesh:index:Workloads", name, {}, withProvider(`${name}-workloads`, args.kubeconfig, opts));
    const { local, linkerd, multicluster, manifests = [] } = args;
    const { namespaces = missingNamespaces(manifests, []) } = args;
    const given = new Map(manifests.filter(isGiven).map(({ metadata }) => [metadata.name, metadata]));
    given.set("default", merged(namespace("default").metadata, given.get("default")));
    const patches = [...given].map(
      ([namespace, metadata]) => new k8s.core.v1.NamespacePatch(`${name}-${namespace}`, { metadata }, { parent: this }),
    );
    const implied = namespaces.map(namespace);
    const objects = [...implied, ...manifests.filter((object) => !isGiven(object)).map(withInjection)].map((object) =>
      local && isUnanswered(object, manifests) ? notAwaited(object, this) : object,
    );
    const scaled = autoscaled(manifests);
    // The namespace may have been there before, and may hold objects of others.
    const kept = (object: Manifest) => (implied.includes(object) && !local ? { retainOnDelete: true } : {});
    const applied = new Objects(
      `${name}-workloads`,
      { objects, optionsOf: (object) => ({ ...scaled(object), ...kept(object) }) },
      { parent: this, dependsOn: [sourcesOf(part(linkerd, ({ ready }) => ready)), ...patches] },
    );
    // Not a pod annotation: an update that changes it sets every field of the manifest again, and so reverts the
    // replicas set by an autoscaler or `kubectl scale`.
    new command.local.Command(
      `${name}-restart`,
      {
        create: program("components/restartPods.ts"),
        environment: kubeconfigEnvironment(args),
        triggers: [restartsOf(args).dataPlane],
        ...commandDefaults(),
      },
      { parent: this, dependsOn: [applied, sourcesOf(part(multicluster, ({ ready }) => ready))] },
    );
    this.registerOutputs();
  }
}

function namespace(name: string): Manifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, annotations: injected } };
}

function merged(one: Manifest["metadata"], other?: Manifest["metadata"]): Manifest["metadata"] {
  if (!other) return one;
  const annotations = { ...one.annotations, ...other.annotations };
  return { ...one, ...other, annotations };
}

/** Pods of a new namespace join the mesh, unless its manifest says otherwise. */
function withInjection(object: Manifest): Manifest {
  if (!isNamespace(object)) return object;
  return { ...object, metadata: merged({ name: "", annotations: injected }, object.metadata) };
}

/** Whether an Ingress has no controller: nothing gives it an address, and Pulumi would wait for one for ten minutes. */
function isUnanswered({ apiVersion, kind }: Manifest, manifests: Manifest[]): boolean {
  return (
    kind === "Ingress" &&
    apiVersion.startsWith("networking.k8s.io/") &&
    !manifests.some((other) => other.kind === "IngressClass")
  );
}

function notAwaited(ingress: Manifest, parent: pulumi.Resource): Manifest {
  const { name, annotations } = ingress.metadata;
  const why = "no manifest of its cluster has an IngressClass, so nothing answers at it, and the update does not wait";
  void pulumi.log.info(`Ingress ${name}: ${why}`, parent);
  const metadata = { ...ingress.metadata, annotations: { "pulumi.com/skipAwait": "true", ...annotations } };
  return { ...ingress, metadata };
}

/**
 * Options that leave `spec.replicas` to the HorizontalPodAutoscaler that scales a workload.
 *
 * With `ignoreChanges` the provider omits a field from its patch when another manager owns it, and keeps its value.
 * https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/#ignorechanges
 */
export function autoscaled(manifests: Manifest[]): (object: Manifest) => pulumi.CustomResourceOptions {
  const scaled = new Set(manifests.filter(({ kind }) => kind === "HorizontalPodAutoscaler").map(scaleTarget));
  return ({ kind, metadata }) =>
    scaled.has(workloadKey(kind, metadata.name, metadata.namespace)) ? { ignoreChanges: ["spec.replicas"] } : {};
}

function scaleTarget({ metadata, spec }: Manifest): string {
  const { kind = "", name = "" } =
    (spec as { scaleTargetRef?: { kind?: string; name?: string } } | undefined)?.scaleTargetRef ?? {};
  return workloadKey(kind, name, metadata.namespace);
}

const workloadKey = (kind: string, name: string, namespace = "default") => `${kind} ${namespace}/${name}`;
