import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { LinkEnd } from "./multicluster";
import { part, plainPart } from "./parts";

export interface RemoteAccessArgs {
  /** The cluster that is read, where everything is made. */
  target: pulumi.Input<LinkEnd>;
  /** Name of the cluster that reads. */
  source: pulumi.Input<string>;
}

/** Only the rights that the service mirror needs in a target cluster: linkerd2, multicluster/service-mirror. */
const watch = ["list", "get", "watch"];
const clusterRules = [
  { apiGroups: [""], resources: ["services", "endpoints", "pods"], verbs: watch },
  { apiGroups: ["apps"], resources: ["replicasets"], verbs: watch },
  { apiGroups: ["batch"], resources: ["jobs"], verbs: watch },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: watch },
  { apiGroups: ["policy.linkerd.io"], resources: ["servers"], verbs: watch },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
];
const linkerdRules = [
  { apiGroups: [""], resources: ["configmaps"], resourceNames: ["linkerd-config"], verbs: ["get"] },
];

/**
 * One account in the target for one source, so that it can be revoked alone. Account, rights and token are created in
 * this order: Kubernetes deletes a token Secret at once if its account does not exist yet.
 */
export class RemoteAccess extends pulumi.ComponentResource {
  /** For the source's pods: the target's address as they reach it, its CA and the account's token. A secret. */
  readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, { target, source }: RemoteAccessArgs, opts: pulumi.ComponentResourceOptions) {
    super("mesh:index:RemoteAccess", name, {}, opts);
    const account = pulumi.interpolate`linkerd-service-mirror-${source}`;
    const namespace = plainPart(target, (end) => end.namespace);
    const metadata = { name: account };
    const child = { parent: this };

    const serviceAccount = new k8s.core.v1.ServiceAccount(name, { metadata: { ...metadata, namespace } }, child);
    const subjects = [{ kind: "ServiceAccount", name: serviceAccount.metadata.name, namespace }];
    const apiGroup = "rbac.authorization.k8s.io";
    const clusterRole = new k8s.rbac.v1.ClusterRole(name, { metadata, rules: clusterRules }, child);
    const clusterBinding = new k8s.rbac.v1.ClusterRoleBinding(
      name,
      { metadata, roleRef: { apiGroup, kind: "ClusterRole", name: clusterRole.metadata.name }, subjects },
      child,
    );
    const inLinkerd = { ...metadata, namespace: plainPart(target, (end) => end.linkerdNamespace) };
    const role = new k8s.rbac.v1.Role(name, { metadata: inLinkerd, rules: linkerdRules }, child);
    const binding = new k8s.rbac.v1.RoleBinding(
      name,
      { metadata: inLinkerd, roleRef: { apiGroup, kind: "Role", name: role.metadata.name }, subjects },
      child,
    );
    const token = new k8s.core.v1.Secret(
      name,
      {
        metadata: {
          name: pulumi.interpolate`${account}-token`,
          namespace,
          annotations: {
            "kubernetes.io/service-account.name": serviceAccount.metadata.name,
            // Without it the provider gives up after five seconds. After an API server restart the controllers retry up
            // to 30 s apart and may not have seen the Secret by then: untilCoreV1SecretInitialized in
            // pulumi-kubernetes, provider/pkg/await/awaiters.go. The path is a map, because the provider prints a value
            // in its progress.
            "pulumi.com/waitFor": "jsonpath={.data}",
          },
        },
        type: "kubernetes.io/service-account-token",
      },
      { ...child, dependsOn: [serviceAccount, clusterBinding, binding], additionalSecretOutputs: ["data"] },
    );
    const server = part(target, (end) => end.apiServer);
    const cluster = part(target, (end) => end.cluster);
    this.kubeconfig = pulumi.secret(
      pulumi
        .all([token.data, account, server, cluster])
        .apply(([data, user, server, cluster]) =>
          kubeconfigOf({ cluster, server, user, ca: data["ca.crt"], token: data.token }),
        ),
    );
    this.registerOutputs();
  }
}

interface Credentials {
  cluster: string;
  server: string;
  user: string;
  /** Base64, as in a Secret. */
  ca?: string;
  /** Base64, as in a Secret. */
  token?: string;
}

/** JSON is YAML: sorted keys, and no diff from formatting. */
function kubeconfigOf({ cluster, server, user, ca, token }: Credentials): string {
  if (!ca || !token) throw new Error(`the token Secret of ${user} in ${cluster} has no token yet`);
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: cluster, cluster: { server, "certificate-authority-data": ca } }],
    users: [{ name: user, user: { token: Buffer.from(token, "base64").toString() } }],
    contexts: [{ name: cluster, context: { cluster, user } }],
    "current-context": cluster,
  });
}
