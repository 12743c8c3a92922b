import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { connect, controlPlane, extension, found, type ClusterClient } from "../../verify/api";
import { exportLabel } from "../../verify/mirroredServices";
import type { Stack } from "../../verify/stack";
import { createKwok, type KwokCluster, type PodPort } from "./kwok";

const exec = promisify(execFile);

/** The address of both gateways. It is reserved for documentation (RFC 5737), because no traffic flows. */
export const gateway = { ip: "192.0.2.1", port: 4143 };

/** Two kwok clusters with what `verify` looks at in them. A stand-in for the program's own stack: none of its code is run. */
export interface TestMesh {
  stack: Stack;
  east: ClusterClient;
  west: ClusterClient;
  anchor: Authority;
  delete(): Promise<void>;
}

export interface Authority {
  pem: string;
  key: string;
}

/**
 * A CA, signed by another or by itself.
 *
 * @param days may be negative: an expired one
 */
export async function authority(name: string, by?: Authority, days = 30): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "mesh-authority-"));
  const file = async (called: string, text: string): Promise<string> => {
    await writeFile(join(folder, called), text);
    return join(folder, called);
  };
  const openssl = async (...args: string[]): Promise<string> => (await exec("openssl", args)).stdout;
  try {
    const key = await openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256");
    const keyFile = await file("key.pem", key);
    const request = await file("request.pem", await openssl("req", "-new", "-key", keyFile, "-subj", `/CN=${name}`));
    const extensions = await file("extensions", `basicConstraints=critical,CA:TRUE\nsubjectAltName=DNS:${name}\n`);
    const signer = by
      ? ["-CA", await file("ca.pem", by.pem), "-CAkey", await file("ca-key.pem", by.key), "-set_serial", "2"]
      : ["-signkey", keyFile];
    const common = ["x509", "-req", "-in", request, "-days", String(days), "-extfile", extensions];
    return { pem: await openssl(...common, ...signer), key };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function createMesh(name: string, podPorts: readonly PodPort[] = []): Promise<TestMesh> {
  const ends = ["east", "west"].map((end) => createKwok(`${name}-${end}`, podPorts));
  const made = await Promise.allSettled(ends);
  const clusters = made.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const remove = async (): Promise<void> => {
    await Promise.all(clusters.map((cluster) => cluster.delete()));
  };
  try {
    const [eastKwok, westKwok] = clusters;
    if (!eastKwok || !westKwok) throw new Error("a kwok cluster did not come up", { cause: made });
    const anchor = await authority("root.linkerd.cluster.local");
    const [east, west] = await Promise.all([connected("east", eastKwok), connected("west", westKwok)]);
    await Promise.all([install(east, "west", anchor), install(west, "east", anchor)]);
    await Promise.all([link(east, west), link(west, east)]);
    const facts = ({ context, domain, apiServer }: ClusterClient): Stack["clusters"][string] => ({
      context,
      domain,
      apiServer,
      gateway: gateway.ip,
    });
    const stack: Stack = {
      name: "rehearsal",
      runtime: "kwok",
      clusters: { east: facts(east), west: facts(west) },
      links: [
        { source: "east", target: "west" },
        { source: "west", target: "east" },
      ],
      kubeconfigs: { east: eastKwok.kubeconfig, west: westKwok.kubeconfig },
    };
    return { stack, east, west, anchor, delete: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function connected(name: string, { kubeconfig, server }: KwokCluster): Promise<ClusterClient> {
  const facts = { context: `kwok-${name}`, domain: `${name}.cluster.local`, gateway: gateway.ip, apiServer: server };
  return connect(name, facts, kubeconfig);
}

const encode = (text: string): string => Buffer.from(text).toString("base64");

/** What the three charts leave in a cluster, as far as the API shows it. */
async function install(cluster: ClusterClient, target: string, anchor: Authority): Promise<void> {
  const { core, domain } = cluster;
  for (const name of [controlPlane, extension]) await core.createNamespace({ body: { metadata: { name } } });
  await setTrust(cluster, anchor, await authority(`identity.linkerd.${domain}`, anchor));
  await core.createNamespacedConfigMap({
    namespace: controlPlane,
    body: { metadata: { name: "linkerd-config" }, data: { values: stringify(configOf(domain)) } },
  });
  await Promise.all(webhookServices.map((service) => setWebhook(cluster, service)));
  const part = (name: string) => ({ "linkerd.io/control-plane-component": name });
  const trust = `-identity-trust-domain=${domain}`;
  await deployment(cluster, controlPlane, "linkerd-identity", part("identity"), { identity: [trust] });
  await deployment(cluster, controlPlane, "linkerd-destination", part("destination"), {
    destination: [`-cluster-domain=${domain}`, trust],
    policy: [`--identity-domain=${domain}`, `--cluster-domain=${domain}`],
  });
  await deployment(cluster, controlPlane, "linkerd-proxy-injector", part("proxy-injector"));
  const name = "linkerd-gateway";
  await account(cluster, name);
  const settings = { serviceAccountName: name, annotations: gatewayAnnotations };
  await deployment(cluster, extension, name, { app: name }, { pause: [], "linkerd-proxy": [] }, settings);
  const ofLink = { component: "controller", "mirror.linkerd.io/cluster-name": target };
  const controller = `controller-${target}`;
  await account(cluster, controller);
  await grant(cluster, target);
  const args = { controller: controllerArgs(target) };
  await deployment(cluster, extension, controller, ofLink, args, { serviceAccountName: controller });
  await core.createNamespacedService({
    namespace: extension,
    body: { metadata: { name: `probe-${target}` }, spec: { ports: [{ name: "mc-probe", port: 4191 }] } },
  });
  const identity = `linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.${domain}`;
  await core.createNamespacedService({
    namespace: extension,
    body: {
      metadata: {
        name,
        annotations: {
          "mirror.linkerd.io/gateway-identity": identity,
          "mirror.linkerd.io/probe-path": "/ready",
          "mirror.linkerd.io/probe-period": "3",
        },
      },
      spec: {
        type: "LoadBalancer",
        selector: { app: name },
        ports: [
          { name: "mc-gateway", port: gateway.port },
          { name: "mc-probe", port: 4191 },
        ],
      },
    },
  });
  await core.patchNamespacedServiceStatus({
    namespace: extension,
    name,
    body: [{ op: "add", path: "/status/loadBalancer/ingress", value: [{ ip: gateway.ip }] }],
  });
  await shop(cluster, "default");
}

export const gatewayAnnotations = {
  "linkerd.io/inject": "enabled",
  "config.linkerd.io/enable-gateway": "true",
  "config.linkerd.io/proxy-require-identity-inbound-ports": String(gateway.port),
};

async function account({ core }: ClusterClient, name: string): Promise<void> {
  await core.createNamespacedServiceAccount({ namespace: extension, body: { metadata: { name } } });
}

/** The rights of a link's controller in its own cluster. */
async function grant({ kube }: ClusterClient, target: string): Promise<void> {
  const { RbacAuthorizationV1Api } = await import("@kubernetes/client-node");
  const rbac = kube.makeApiClient(RbacAuthorizationV1Api);
  const [name, namespace] = [`controller-${target}`, extension];
  const metadata = { name };
  const apiGroup = "rbac.authorization.k8s.io";
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  const all = ["list", "get", "watch", "create", "update", "delete", "patch"];
  await rbac.createClusterRole({
    body: { metadata, rules: [{ apiGroups: [""], resources: ["services", "endpoints", "namespaces"], verbs: all }] },
  });
  await rbac.createClusterRoleBinding({
    body: { metadata, roleRef: { apiGroup, kind: "ClusterRole", name }, subjects },
  });
  await rbac.createNamespacedRole({
    namespace,
    body: {
      metadata,
      rules: [
        { apiGroups: [""], resources: ["secrets"], resourceNames: [`cluster-credentials-${target}`], verbs: all },
        { apiGroups: ["multicluster.linkerd.io"], resources: ["links", "links/status"], verbs: all },
        { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: all },
      ],
    },
  });
  await rbac.createNamespacedRoleBinding({
    namespace,
    body: { metadata, roleRef: { apiGroup, kind: "Role", name }, subjects },
  });
}

export const configOf = (domain: string) => ({ clusterDomain: domain, identityTrustDomain: domain });

export const controllerArgs = (target: string): string[] => [
  "service-mirror",
  `-namespace=${extension}`,
  "-enable-headless-services",
  `-probe-service=probe-${target}`,
  target,
];

export const webhookServices = ["linkerd-proxy-injector", "linkerd-sp-validator", "linkerd-policy-validator"] as const;

/** A webhook's certificate and key, and whom the API server trusts for it. The default is a good one. */
export async function setWebhook(
  { core, admission }: ClusterClient,
  service: (typeof webhookServices)[number],
  given: { certificate?: Authority; trusted?: Authority; key?: string } = {},
): Promise<void> {
  const certificate = given.certificate ?? (await authority(`${service}.linkerd.svc`));
  const { key = certificate.key, trusted = certificate } = given;
  const secret = { namespace: controlPlane, name: `${service}-k8s-tls` };
  await found(core.deleteNamespacedSecret(secret));
  await core.createNamespacedSecret({
    namespace: controlPlane,
    body: { metadata: secret, data: { "tls.crt": encode(certificate.pem), "tls.key": encode(key) } },
  });
  const name = `${service}-webhook-config`;
  const webhook = {
    name: `${service}.linkerd.io`,
    admissionReviewVersions: ["v1"],
    sideEffects: "None",
    // No rules: the API server asks nobody, because nobody would answer.
    clientConfig: { service: { name: service, namespace: controlPlane }, caBundle: encode(trusted.pem) },
  };
  const body = { metadata: { name }, webhooks: [webhook] };
  if (service === "linkerd-proxy-injector") {
    await found(admission.deleteMutatingWebhookConfiguration({ name }));
    await admission.createMutatingWebhookConfiguration({ body });
  } else {
    await found(admission.deleteValidatingWebhookConfiguration({ name }));
    await admission.createValidatingWebhookConfiguration({ body });
  }
}

/** The anchors that the cluster trusts, and its issuer. */
export async function setTrust({ core }: ClusterClient, anchor: Authority, issuer: Authority): Promise<void> {
  const roots = { name: "linkerd-identity-trust-roots", namespace: controlPlane };
  await found(core.deleteNamespacedConfigMap(roots));
  await core.createNamespacedConfigMap({
    namespace: controlPlane,
    body: { metadata: roots, data: { "ca-bundle.crt": anchor.pem } },
  });
  const secret = { name: "linkerd-identity-issuer", namespace: controlPlane };
  await found(core.deleteNamespacedSecret(secret));
  await core.createNamespacedSecret({
    namespace: controlPlane,
    body: { metadata: secret, data: { "crt.pem": encode(issuer.pem), "key.pem": encode(issuer.key) } },
  });
}

async function deployment(
  cluster: ClusterClient,
  namespace: string,
  name: string,
  labels: Record<string, string>,
  /** Arguments, by container. */
  args: Record<string, string[]> = { main: [] },
  { serviceAccountName, annotations }: { serviceAccountName?: string; annotations?: Record<string, string> } = {},
): Promise<void> {
  const containers = Object.entries(args).map(([container, given]) => ({
    name: container,
    image: "none",
    args: given,
  }));
  await cluster.apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name, labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels, annotations }, spec: { containers, serviceAccountName } },
      },
    },
  });
}

/** A stack's own exported services: a StatefulSet's and a Deployment's. */
export async function shop(cluster: ClusterClient, namespace: string): Promise<void> {
  const spec = { containers: [{ name: "nginx", image: "nginx:1.29", ports: [{ containerPort: 80 }] }] };
  for (const [name, kind] of [
    ["nginx-svc", "StatefulSet"],
    ["nginx-deploy-svc", "Deployment"],
  ] as const) {
    const labels = { app: name };
    const workload = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } };
    if (kind === "StatefulSet") {
      const body = { metadata: { name: "nginx-set" }, spec: { serviceName: name, replicas: 2, ...workload } };
      await cluster.apps.createNamespacedStatefulSet({ namespace, body });
    } else {
      await cluster.apps.createNamespacedDeployment({
        namespace,
        body: { metadata: { name: "nginx-deploy" }, spec: workload },
      });
    }
    await cluster.core.createNamespacedService({
      namespace,
      body: {
        metadata: { name, labels: { [exportLabel]: "true" } },
        spec: { clusterIP: "None", selector: labels, ports: [{ name: "http", port: 80 }] },
      },
    });
  }
}

const rules = [
  { apiGroups: [""], resources: ["services", "endpoints", "pods"], verbs: ["list", "get", "watch"] },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "get", "watch"] },
  { apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list", "get", "watch"] },
  { apiGroups: ["batch"], resources: ["jobs"], verbs: ["list", "get", "watch"] },
  { apiGroups: ["policy.linkerd.io"], resources: ["servers"], verbs: ["list", "get", "watch"] },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  { apiGroups: [""], resources: ["configmaps"], resourceNames: ["linkerd-config"], verbs: ["get"] },
];

/** The link's objects in the source, and its account in the target. */
async function link(source: ClusterClient, target: ClusterClient): Promise<void> {
  const { ApiextensionsV1Api, RbacAuthorizationV1Api } = await import("@kubernetes/client-node");
  await source.kube.makeApiClient(ApiextensionsV1Api).createCustomResourceDefinition({ body: linkDefinition });
  const account = { name: `linkerd-service-mirror-${source.name}`, namespace: extension };
  const rbac = target.kube.makeApiClient(RbacAuthorizationV1Api);
  await target.core.createNamespacedServiceAccount({ namespace: extension, body: { metadata: account } });
  await rbac.createClusterRole({ body: { metadata: { name: account.name }, rules } });
  await rbac.createClusterRoleBinding({
    body: {
      metadata: { name: account.name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: account.name },
      subjects: [{ kind: "ServiceAccount", ...account }],
    },
  });
  const token = await target.core.createNamespacedServiceAccountToken({
    ...account,
    body: { spec: { audiences: [], expirationSeconds: 3600 } },
  });
  await setCredentials(source, target, token.status?.token ?? "");
  const eventually = async (): Promise<void> => {
    await source.custom.createNamespacedCustomObject({
      group: "multicluster.linkerd.io",
      version: "v1alpha3",
      namespace: extension,
      plural: "links",
      body: linkObject(target),
    });
  };
  // The API server serves a new definition a moment after it accepted it.
  for (let tries = 0; ; tries++) {
    try {
      await eventually();
      return;
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** What the source presents to the target: in both places where Linkerd reads it. `wrong` replaces what is right. */
export async function setCredentials(
  source: ClusterClient,
  target: ClusterClient,
  token: string | undefined,
  wrong: { server?: string; ca?: string; type?: string; name?: string; domain?: string } = {},
): Promise<void> {
  const { server = target.apiServer, type = "mirror.linkerd.io/remote-kubeconfig" } = wrong;
  const { name: label = target.name, domain = target.domain } = wrong;
  const ca = wrong.ca === undefined ? target.kube.getCurrentCluster()?.caData : encode(wrong.ca);
  const kubeconfig = JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "target", cluster: { server, "certificate-authority-data": ca } }],
    users: [{ name: "mirror", user: { token } }],
    contexts: [{ name: "target", context: { cluster: "target", user: "mirror" } }],
    "current-context": "target",
  });
  for (const namespace of [extension, controlPlane]) {
    const name = `cluster-credentials-${target.name}`;
    const forControlPlane = {
      labels: { "multicluster.linkerd.io/cluster-name": label },
      annotations: {
        "multicluster.linkerd.io/trust-domain": domain,
        "multicluster.linkerd.io/cluster-domain": domain,
      },
    };
    await found(source.core.deleteNamespacedSecret({ namespace, name }));
    await source.core.createNamespacedSecret({
      namespace,
      body: {
        metadata: { name, ...(namespace === controlPlane && forControlPlane) },
        type,
        data: { kubeconfig: encode(kubeconfig) },
      },
    });
  }
}

export function linkObject(
  target: ClusterClient,
): { metadata: { name: string }; spec: object } & Record<string, unknown> {
  return {
    apiVersion: "multicluster.linkerd.io/v1alpha3",
    kind: "Link",
    metadata: { name: target.name },
    spec: {
      targetClusterName: target.name,
      targetClusterDomain: target.domain,
      targetClusterLinkerdNamespace: controlPlane,
      clusterCredentialsSecret: `cluster-credentials-${target.name}`,
      gatewayAddress: gateway.ip,
      gatewayPort: String(gateway.port),
      gatewayIdentity: `linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.${target.domain}`,
      probeSpec: { path: "/ready", port: "4191", period: "3s" },
      selector: { matchLabels: { [exportLabel]: "true" } },
      remoteDiscoverySelector: { matchLabels: { [exportLabel]: "remote-discovery" } },
      federatedServiceSelector: { matchLabels: { "mirror.linkerd.io/federated": "member" } },
    },
  };
}

const linkDefinition = {
  metadata: { name: "links.multicluster.linkerd.io" },
  spec: {
    group: "multicluster.linkerd.io",
    names: { kind: "Link", plural: "links", singular: "link" },
    scope: "Namespaced",
    versions: [
      {
        name: "v1alpha3",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", x_kubernetes_preserve_unknown_fields: true } },
      },
    ],
  },
};
