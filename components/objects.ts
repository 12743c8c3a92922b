import * as pulumi from "@pulumi/pulumi";
import type { Manifest } from "../config/manifests";

export interface ObjectsArgs {
  objects: Manifest[];
  /** More options for an object's resource. */
  optionsOf?: (object: Manifest) => pulumi.CustomResourceOptions;
  /** What a part waits for besides: see `parts`. Default: nothing */
  after?: After;
}

/** Parts of a set of objects, in creation order, each with the parts that must exist before it. */
const parts = {
  definitions: { waitsFor: [], kinds: ["Namespace", "CustomResourceDefinition"] },
  accounts: {
    waitsFor: ["definitions"],
    kinds: ["ServiceAccount", "PriorityClass", "LimitRange", "ResourceQuota"],
  },
  configuration: {
    // Kubernetes deletes a token Secret at once if its account does not exist yet.
    waitsFor: ["definitions", "accounts"],
    kinds: ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret"],
  },
  // These include webhook configurations, which must not wait for the pods. In a rotation restarted pods present the
  // new certificate at once, and a configuration held back until all are ready would still have the old CA.
  others: { waitsFor: ["definitions"], kinds: [] },
  // Without their account Kubernetes creates no pods, and retries with growing delays.
  pods: {
    waitsFor: ["definitions", "accounts", "configuration"],
    kinds: ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"],
  },
} satisfies Record<string, { waitsFor: string[]; kinds: string[] }>;
type Part = keyof typeof parts;
/** By part, what must be there before it. */
export type After = Partial<Record<Part, pulumi.Input<pulumi.Resource>>>;
const partNames = Object.keys(parts) as Part[];

function partOf({ kind }: Manifest): Part {
  return partNames.find((part) => (parts[part].kinds as string[]).includes(kind)) ?? "others";
}

/**
 * Kubernetes objects, each registered by the program as its own resource. So a preview lists them before their cluster
 * exists, and shows an unknown value as one unknown field. (`yaml.v2.ConfigGroup` and `helm.v4.Chart` expand inside the
 * provider and do neither.)
 *
 * They are created in the order that Kubernetes needs: see `parts`.
 *
 * @example new Objects("mesh-east-workloads", { objects }, { parent, provider });
 */
export class Objects extends pulumi.ComponentResource {
  private readonly made: { object: Manifest; resource: KubernetesResource }[] = [];

  constructor(name: string, { objects, optionsOf, after = {} }: ObjectsArgs, opts: pulumi.ComponentResourceOptions) {
    // Older states have the objects under these types.
    const aliases = [{ type: "kubernetes:yaml/v2:ConfigGroup" }, { type: "kubernetes:helm.sh/v4:Chart" }];
    super("mesh:index:Objects", name, {}, pulumi.mergeOptions(opts, { aliases }));
    for (const part of partNames) {
      const waitsFor: string[] = parts[part].waitsFor;
      const dependsOn: pulumi.Input<pulumi.Resource>[] = this.made.flatMap(({ object, resource }) =>
        waitsFor.includes(partOf(object)) ? [resource] : [],
      );
      if (after[part]) dependsOn.push(after[part]);
      for (const object of objects.filter((object) => partOf(object) === part)) {
        const aliases = formerNames(name, object).map((former) => ({ name: former }));
        const own = pulumi.mergeOptions({ parent: this, dependsOn, aliases }, optionsOf?.(object) ?? {});
        this.made.push({ object, resource: new KubernetesResource(nameOf(name, object), object, own) });
      }
    }
    this.registerOutputs();
  }

  /** Every object's resource. */
  get resources(): pulumi.Resource[] {
    return this.made.map(({ resource }) => resource);
  }

  /** The `status` of one object, once it is there. Undefined when there is no such object. */
  statusOf(kind: string, name: string): pulumi.Output<unknown> | undefined {
    return this.made.find(({ object }) => object.kind === kind && object.metadata.name === name)?.resource.status;
  }
}

/** One object of any kind. The SDK has a class for each kind it knows; here the kind is known only at run time. */
export class KubernetesResource extends pulumi.CustomResource {
  declare readonly status: pulumi.Output<unknown>;

  constructor(
    name: string,
    object: Pick<Manifest, "apiVersion" | "kind"> & pulumi.Inputs,
    opts: pulumi.CustomResourceOptions,
  ) {
    const { apiVersion, kind } = object;
    const type = `kubernetes:${apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`}:${kind}`;
    super(type, name, { status: undefined, ...(kind === "Secret" ? hidden(object) : object) }, opts);
  }
}

/** Marks a Secret's texts as Pulumi secrets, so that no preview prints them. */
function hidden(secret: pulumi.Inputs): pulumi.Inputs {
  const hide = (texts: object) =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, pulumi.secret(text as unknown)]));
  return Object.fromEntries(
    Object.entries(secret).map(([field, value]) =>
      ["data", "stringData"].includes(field) ? [field, hide((value ?? {}) as object)] : [field, value as unknown],
    ),
  );
}

/** Built-in kinds without a namespace. https://kubernetes.io/docs/reference/kubernetes-api/ */
const clusterScoped = new Set([
  ...["Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"],
  ...["StorageClass", "VolumeAttachment", "VolumeAttributesClass", "CSIDriver", "CSINode", "PriorityClass"],
  ...["RuntimeClass", "IngressClass", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService"],
  ...["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"],
  ...["MutatingAdmissionPolicyBinding", "FlowSchema", "PriorityLevelConfiguration", "CertificateSigningRequest"],
  ...["ClusterTrustBundle", "DeviceClass", "ResourceSlice", "ServiceCIDR", "IPAddress"],
]);

/** Whether an object belongs to a namespace. Custom resources count as namespaced, since most of them are. */
export function isNamespaced({ kind }: Manifest): boolean {
  return !clusterScoped.has(kind);
}

/** The name that the provider's own groups give their children. Example: `mesh-west-workloads:default/nginx-svc` */
function nameOf(group: string, object: Manifest): string {
  const { name, namespace = isNamespaced(object) ? "default" : undefined } = object.metadata;
  return `${group}:${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/**
 * Other names that the object may have in older states, where the provider's own groups named it. They asked the
 * cluster whether a custom resource is namespaced. The program cannot, because the cluster may not exist yet.
 */
export function formerNames(group: string, { kind, metadata }: Manifest): string[] {
  return metadata.namespace === undefined && !clusterScoped.has(kind) ? [`${group}:${metadata.name}`] : [];
}
