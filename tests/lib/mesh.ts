import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect, controlPlane, extension, found, type Cluster } from "../../verify/api";
import { exportLabel } from "../../verify/mirrors";
import type { Stack } from "../../verify/stack";
import { createKwok, type KwokCluster } from "./kwok";

const exec = promisify(execFile);

/** Where both gateways are: an address kept for documentation (RFC 5737), for no traffic flows. */
export const gateway = { ip: "192.0.2.1", port: 4143 };

/** Two kwok clusters with what `verify` looks at in them. A stand-in for the program's own stack: none of its code is run. */
export interface TestMesh {
  stack: Stack;
  east: Cluster;
  west: Cluster;
  anchor: Authority;
  delete(): Promise<void>;
}

export interface Authority {
  pem: string;
  key: string;
}

/** A CA, signed by another or by itself. `days` may be negative: an expired one. */
export async function authority(name: string, by?: Authority, days = 30): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "mesh-authority-"));
  const file = async (called: string, text: string): Promise<string> => {
    await writeFile(join(folder, called), text);
    return join(folder, called);
  };
  const openssl = async (...args: string[]): Promise<string> => (await exec("openssl", args)).stdout;
  try {
    const key = await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout");
    const keyFile = await file("key.pem", key);
    const request = await file("request.pem", await openssl("req", "-new", "-key", keyFile, "-subj", `/CN=${name}`));
    const extensions = await file("extensions", "basicConstraints=critical,CA:TRUE\n");
    const signer = by
      ? ["-CA", await file("ca.pem", by.pem), "-CAkey", await file("ca-key.pem", by.key), "-set_serial", "2"]
      : ["-signkey", keyFile];
    const common = ["x509", "-req", "-in", request, "-days", String(days), "-extfile", extensions];
    return { pem: await openssl(...common, ...signer), key };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function createMesh(name: string): Promise<TestMesh> {
  const made = await Promise.allSettled([createKwok(`${name}-east`), createKwok(`${name}-west`)]);
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
    const facts = ({ context, domain, apiServer }: Cluster): Stack["clusters"][string] => ({
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

function connected(name: string, { kubeconfig, server }: KwokCluster): Promise<Cluster> {
  const facts = { context: `kwok-${name}`, domain: `${name}.cluster.local`, gateway: gateway.ip, apiServer: server };
  return connect(name, facts, kubeconfig);
}

const encode = (text: string): string => Buffer.from(text).toString("base64");

/** As far as the API shows it, what the three charts leave in a cluster. */
async function install(cluster: Cluster, target: string, anchor: Authority): Promise<void> {
  const { core, admission } = cluster;
  for (const name of [controlPlane, extension]) await core.createNamespace({ body: { metadata: { name } } });
  const issuer = await authority(`identity.linkerd.${cluster.domain}`, anchor);
  const webhook = await authority("linkerd-proxy-injector.linkerd.svc");
  await setTrust(cluster, anchor, issuer);
  await core.createNamespacedSecret({
    namespace: controlPlane,
    body: { metadata: { name: "linkerd-proxy-injector-k8s-tls" }, data: { "tls.crt": encode(webhook.pem) } },
  });
  await admission.createMutatingWebhookConfiguration({
    body: {
      metadata: { name: "linkerd-proxy-injector-webhook-config" },
      webhooks: [
        {
          name: "linkerd-proxy-injector.linkerd.io",
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          // No rules: nobody is asked, for nobody would answer.
          clientConfig: { url: "https://127.0.0.1:1", caBundle: encode(webhook.pem) },
        },
      ],
    },
  });
  await deployment(cluster, controlPlane, "linkerd-proxy-injector", {
    "linkerd.io/control-plane-component": "proxy-injector",
  });
  await deployment(cluster, extension, "linkerd-gateway", { app: "linkerd-gateway" });
  await deployment(cluster, extension, `controller-${target}`, {
    component: "controller",
    "mirror.linkerd.io/cluster-name": target,
  });
  const name = "linkerd-gateway";
  await core.createNamespacedService({
    namespace: extension,
    body: { metadata: { name }, spec: { type: "LoadBalancer", ports: [{ port: gateway.port }] } },
  });
  await core.patchNamespacedServiceStatus({
    namespace: extension,
    name,
    body: [{ op: "add", path: "/status/loadBalancer/ingress", value: [{ ip: gateway.ip }] }],
  });
  await shop(cluster, "default");
}

/** The anchors that the cluster trusts, and its issuer. */
export async function setTrust({ core }: Cluster, anchor: Authority, issuer: Authority): Promise<void> {
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
    body: { metadata: secret, data: { "crt.pem": encode(issuer.pem) } },
  });
}

async function deployment(
  cluster: Cluster,
  namespace: string,
  name: string,
  labels: Record<string, string>,
): Promise<void> {
  await cluster.apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name, labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "main", image: "none" }] } },
      },
    },
  });
}

/** A stack's own exported services: a StatefulSet's and a Deployment's. */
export async function shop(cluster: Cluster, namespace: string): Promise<void> {
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
async function link(source: Cluster, target: Cluster): Promise<void> {
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
  // A new definition is served a moment after it was accepted.
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

/** What the source presents to the target: in both places where Linkerd reads it. */
export async function setCredentials(source: Cluster, target: Cluster, token: string): Promise<void> {
  const there = target.kube.getCurrentCluster();
  const kubeconfig = JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "target", cluster: { server: target.apiServer, "certificate-authority-data": there?.caData } }],
    users: [{ name: "mirror", user: { token } }],
    contexts: [{ name: "target", context: { cluster: "target", user: "mirror" } }],
    "current-context": "target",
  });
  for (const namespace of [extension, controlPlane]) {
    const name = `cluster-credentials-${target.name}`;
    await found(source.core.deleteNamespacedSecret({ namespace, name }));
    await source.core.createNamespacedSecret({
      namespace,
      body: { metadata: { name }, data: { kubeconfig: encode(kubeconfig) } },
    });
  }
}

export function linkObject(target: Cluster): { metadata: { name: string }; spec: object } & Record<string, unknown> {
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
