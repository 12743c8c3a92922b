import { X509Certificate } from "node:crypto";
import {
  client,
  controlPlane,
  extension,
  found,
  kubectl,
  linksOf,
  named,
  reason,
  statusOf,
  type Cluster,
  type Deployment,
  type Pod,
} from "./api";
import {
  always,
  no,
  notApplicable,
  yes,
  type Check,
  type ClusterCheck,
  type Finding,
  type LinkCheck,
  type LinkContext,
} from "./check";
import { linkerdCheck } from "./linkerd";
import { addresses, clusterLabel } from "./mirrors";
import { fetchFromPod, portNamed } from "./portForward";
import { noMirror } from "./simulated";

const roots = { namespace: controlPlane, name: "linkerd-identity-trust-roots" };
const issuer = { namespace: controlPlane, name: "linkerd-identity-issuer" };
const rootsObject = (cluster: Cluster): string => named(cluster, "configmap", { metadata: roots });

/** Splits a bundle: Node reads one certificate at a time. */
export function certificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

async function anchorsOf(cluster: Cluster): Promise<X509Certificate[]> {
  const map = await found(cluster.core.readNamespacedConfigMap(roots));
  return certificates(map?.data?.["ca-bundle.crt"] ?? "");
}

/** Why a certificate is not valid now, or undefined. */
function timeFault(certificate: X509Certificate, what: string, now = Date.now()): string | undefined {
  if (Date.parse(certificate.validFrom) > now) return `${what} is valid only from ${certificate.validFrom}`;
  if (Date.parse(certificate.validTo) < now) return `${what} expired on ${certificate.validTo}`;
  return undefined;
}

/** Why proxies that trust these anchors would not trust this issuer, or undefined. */
export function issuerFault(certificate: X509Certificate, anchors: readonly X509Certificate[]): string | undefined {
  if (!certificate.ca) return "the issuer's certificate may not sign others";
  const signed = anchors.some((anchor) => certificate.checkIssued(anchor) && certificate.verify(anchor.publicKey));
  if (!signed) return `the issuer is not signed by any of the ${anchors.length} trust anchors`;
  return timeFault(certificate, "the issuer");
}

const anchors: ClusterCheck = {
  id: "health.trust-anchor",
  group: "health",
  scope: "cluster",
  title: "Is the trust anchor valid?",
  deadlineSeconds: 15,
  applies: always,
  async run({ cluster, stack }): Promise<Finding> {
    const all = await anchorsOf(cluster);
    const objects = [rootsObject(cluster)];
    const next = `npm run rotate -- anchor ${stack.name}`;
    if (all.length === 0) return no("there is no trust anchor", objects, `npm start -- ${stack.name}`);
    const fault = all.map((anchor) => timeFault(anchor, `anchor ${anchor.subject}`)).find((text) => text !== undefined);
    if (fault) return no(fault, objects, next);
    return yes(`${all.length} valid until ${all.map(({ validTo }) => validTo).join(", ")}`, objects);
  },
};

const issuers: ClusterCheck = {
  id: "health.issuer",
  group: "health",
  scope: "cluster",
  title: "Does the issuer chain to the trust anchor, and is it valid?",
  deadlineSeconds: 15,
  applies: always,
  async run({ cluster, stack }): Promise<Finding> {
    const objects = [named(cluster, "secret", { metadata: issuer }), rootsObject(cluster)];
    const secret = await found(cluster.core.readNamespacedSecret(issuer));
    // Two schemes: linkerd.io/tls, the chart's default, and kubernetes.io/tls.
    const data = secret?.data?.["crt.pem"] ?? secret?.data?.["tls.crt"] ?? "";
    const [certificate] = certificates(Buffer.from(data, "base64").toString());
    if (!certificate) return no("there is no issuer", objects, `npm start -- ${stack.name}`);
    const fault = issuerFault(certificate, await anchorsOf(cluster));
    if (fault) return no(fault, objects, `npm run rotate -- issuers ${stack.name}`);
    return yes(`valid until ${certificate.validTo}`, objects);
  },
};

function available(deployment: Deployment): boolean {
  return (deployment.status?.conditions ?? []).some(({ type, status }) => type === "Available" && status === "True");
}

function deploymentsCheck(id: string, title: string, namespace: string, needed: string): ClusterCheck {
  return {
    id,
    group: "health",
    scope: "cluster",
    title,
    deadlineSeconds: 15,
    applies: always,
    async run({ cluster, stack }): Promise<Finding> {
      const all = (await cluster.apps.listNamespacedDeployment({ namespace })).items
        // The controllers of links are asked about link by link.
        .filter(({ metadata }) => metadata?.labels?.[clusterLabel] === undefined);
      const objects = all.map((deployment) => named(cluster, "deployment", deployment));
      if (!all.some(({ metadata }) => metadata?.name === needed)) {
        return no(`there is no ${needed} in ${namespace}`, objects, `npm start -- ${stack.name}`);
      }
      const down = all.filter((deployment) => !available(deployment)).map(({ metadata }) => metadata?.name);
      if (down.length === 0) return yes(`${all.length} deployments are available`, objects);
      return no(`not available: ${down.join(", ")}`, objects, kubectl(cluster, `-n ${namespace} get pods`));
    },
  };
}

const injector: ClusterCheck = {
  id: "health.injector",
  group: "health",
  scope: "cluster",
  title: "Will the API server accept the injector's certificate?",
  deadlineSeconds: 15,
  applies: always,
  async run({ cluster, stack }): Promise<Finding> {
    const name = "linkerd-proxy-injector-webhook-config";
    const tls = { namespace: controlPlane, name: "linkerd-proxy-injector-k8s-tls" };
    const objects = [
      named(cluster, "mutatingwebhookconfiguration", { metadata: { name } }),
      named(cluster, "secret", { metadata: tls }),
    ];
    const next = `npm start -- ${stack.name}`;
    const [webhook, secret] = await Promise.all([
      found(cluster.admission.readMutatingWebhookConfiguration({ name })),
      found(cluster.core.readNamespacedSecret(tls)),
    ]);
    const decode = (data = ""): X509Certificate[] => certificates(Buffer.from(data, "base64").toString());
    const bundle = decode(webhook?.webhooks?.[0]?.clientConfig.caBundle);
    const [certificate] = decode(secret?.data?.["tls.crt"]);
    if (!certificate || bundle.length === 0) return no("the webhook or its certificate is missing", objects, next);
    if (!bundle.some((ca) => certificate.verify(ca.publicKey))) {
      return no("the webhook's caBundle did not sign its certificate: no pod gets a proxy", objects, next);
    }
    const fault = timeFault(certificate, "its certificate");
    return fault ? no(fault, objects, next) : yes(`valid until ${certificate.validTo}`, objects);
  },
};

const cli: ClusterCheck = {
  id: "health.linkerd-check",
  group: "health",
  scope: "cluster",
  title: "Does `linkerd check` pass?",
  deadlineSeconds: 120,
  applies: ({ stack }) =>
    Promise.resolve(
      stack.runtime === "kwok" ? "pods are simulated by kwok: `linkerd check` needs real ones" : undefined,
    ),
  async run({ cluster, clusters, stack, deadline }): Promise<Finding> {
    const targets = stack.links.flatMap(({ source, target }) =>
      source === cluster.name ? (clusters[target] ?? []) : [],
    );
    // Its extension check dials each target's API server at the address that is for the source's pods.
    const unreachable = targets.some(({ kube, apiServer }) => kube.getCurrentCluster()?.server !== apiServer);
    const outcome = await linkerdCheck(stack.kubeconfigs[cluster.name] ?? "", deadline, unreachable);
    const objects = [`${cluster.name} as \`linkerd check\` sees it`];
    if (outcome === undefined) return notApplicable("there is no `linkerd` on PATH", objects);
    const { failures, leftOut, warnings } = outcome;
    const notes = [
      ...leftOut.map((text) => `not judged, as only pods reach the links' addresses (see --linkerd): ${text}`),
      ...warnings.map((text) => `warning: ${text}`),
    ];
    if (failures.length === 0) return yes(["it passes", ...notes].join("; "), objects);
    return no(failures.join("; "), objects, `linkerd check --context ${cluster.context}`);
  },
};

const sameAnchors: LinkCheck = {
  id: "health.anchors-equal",
  group: "health",
  scope: "link",
  title: "Do both clusters trust the same anchors?",
  deadlineSeconds: 15,
  applies: always,
  async run({ source, target, stack }): Promise<Finding> {
    const objects = [rootsObject(source), rootsObject(target)];
    const [here, there] = await Promise.all(
      [source, target].map(async (end) => new Set((await anchorsOf(end)).map(({ fingerprint256 }) => fingerprint256))),
    );
    if (here && there && here.size > 0 && here.size === there.size && [...here].every((print) => there.has(print))) {
      return yes(`${here.size} in both`, objects);
    }
    return no("the bundles differ: mTLS between the clusters fails", objects, `npm start -- ${stack.name}`);
  },
};

const link: LinkCheck = {
  id: "health.link",
  group: "health",
  scope: "link",
  title: "Is there a Link, named after its target?",
  deadlineSeconds: 15,
  applies: always,
  async run({ source, target, link: { target: name }, stack }): Promise<Finding> {
    const objects = [named(source, "link", { metadata: { namespace: extension, name } })];
    const next = `npm start -- ${stack.name}`;
    const object = (await linksOf(source)).find(({ metadata }) => metadata.name === name);
    if (!object) return no(`there is no Link ${name}`, objects, next);
    const { targetClusterName, targetClusterDomain, selector } = object.spec;
    if (targetClusterName !== name) return no(`its targetClusterName is ${targetClusterName}`, objects, next);
    if (targetClusterDomain !== target.domain) {
      return no(`its targetClusterDomain is ${targetClusterDomain}, the cluster's is ${target.domain}`, objects, next);
    }
    // isExported() of the service mirror: an empty selector matches nothing.
    if (Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions ?? []).length === 0) {
      return no("its selector is empty: it matches no service", objects, next);
    }
    return yes("names, domain and selector are in order", objects);
  },
};

const controller: LinkCheck = {
  id: "health.controller",
  group: "health",
  scope: "link",
  title: "Is the link's controller available?",
  deadlineSeconds: 15,
  applies: always,
  async run({ source, link: { target }, stack }): Promise<Finding> {
    const name = `controller-${target}`;
    const objects = [named(source, "deployment", { metadata: { namespace: extension, name } })];
    const deployment = await found(source.apps.readNamespacedDeployment({ namespace: extension, name }));
    if (!deployment) return no(`there is no ${name}`, objects, `npm start -- ${stack.name}`);
    if (available(deployment)) return yes("it is available (that it mirrors is asked below)", objects);
    return no(`${name} is not available`, objects, kubectl(source, `-n ${extension} describe deploy/${name}`));
  },
};

/** What the mirror and the destination controller read through a link: linkerd2's remote-access-service-mirror-rbac.yaml. */
const rights = [
  ...["services", "endpoints", "pods"].map((resource) => ({ group: "", resource })),
  { group: "discovery.k8s.io", resource: "endpointslices" },
  { group: "apps", resource: "replicasets" },
  { group: "batch", resource: "jobs" },
  { group: "policy.linkerd.io", resource: "servers" },
]
  .flatMap((what) => ["list", "get", "watch"].map((verb): Right => ({ ...what, verb })))
  .concat(
    { group: "", resource: "events", verb: "create" },
    { group: "", resource: "events", verb: "patch" },
    { group: "", resource: "configmaps", verb: "get", namespace: controlPlane, name: "linkerd-config" },
  );

interface Right {
  group: string;
  resource: string;
  verb: string;
  namespace?: string;
  name?: string;
}

const credentials: LinkCheck = {
  id: "health.credentials",
  group: "health",
  scope: "link",
  title: "Does the target accept the link's credentials?",
  deadlineSeconds: 15,
  applies: always,
  async run(context): Promise<Finding> {
    const {
      source,
      link: { target: name },
      stack,
    } = context;
    const secret = { name: `cluster-credentials-${name}` };
    const places = [extension, controlPlane].map((namespace) => ({ namespace, ...secret }));
    const objects = places.map((metadata) => named(source, "secret", { metadata }));
    const next = `npm start -- ${stack.name} --refresh`;
    const copies = await Promise.all(
      places.map(async (place) => (await found(source.core.readNamespacedSecret(place)))?.data?.["kubeconfig"]),
    );
    const [kubeconfig, copy] = copies;
    if (kubeconfig === undefined || copy === undefined) return no("a secret is missing", objects, next);
    if (kubeconfig !== copy)
      return no("the two secrets differ: destination would use other credentials", objects, next);
    const fault = await credentialsFault(Buffer.from(kubeconfig, "base64").toString(), context);
    return fault ? no(fault, objects, next) : yes(`accepted, with all ${rights.length} rights`, objects);
  },
};

/**
 * Why the target refuses the mirror, or undefined. Asked with the mirror's own token and CA, at the address by which this
 * machine knows the target: the secret's own is one that only pods of the source must resolve.
 */
async function credentialsFault(kubeconfig: string, { target }: LinkContext): Promise<string | undefined> {
  const { KubeConfig, AuthorizationV1Api } = await client();
  const mirror = new KubeConfig();
  mirror.loadFromString(kubeconfig);
  const cluster = mirror.getCurrentCluster();
  const address = target.kube.getCurrentCluster()?.server;
  if (!cluster || !address) return "the secret's kubeconfig has no current cluster";
  if (cluster.server !== target.apiServer) return `they are for ${cluster.server}, the target is ${target.apiServer}`;
  mirror.loadFromClusterAndUser({ ...cluster, server: address }, mirror.getCurrentUser() ?? { name: "nobody" });
  const api = mirror.makeApiClient(AuthorizationV1Api);
  try {
    const answers = await Promise.all(
      rights.map(({ group, resource, verb, namespace, name }) =>
        api.createSelfSubjectAccessReview({
          body: { spec: { resourceAttributes: { group, resource, verb, namespace, name } } },
        }),
      ),
    );
    const denied = rights
      .filter((_, i) => !answers[i]?.status?.allowed)
      .map(({ verb, resource }) => `${verb} ${resource}`);
    return denied.length > 0 ? `they may not ${denied.join(", ")}` : undefined;
  } catch (error) {
    return statusOf(error) === 401 ? "the target refuses the token (401)" : reason(error);
  }
}

/** A link's controller serves its metrics here: linkerd2, multicluster/cmd/service-mirror/main.go. */
const controllerAdmin = 9999;

const probe: LinkCheck = {
  id: "health.gateway-probe",
  group: "health",
  scope: "link",
  title: "Is the target's gateway alive for the source?",
  deadlineSeconds: 15,
  applies: noMirror,
  async run({ source, link: { target }, external, deadline }): Promise<Finding> {
    const name = `probe-${target}`;
    const objects = [named(source, "endpoints", { metadata: { namespace: extension, name } })];
    const logs = kubectl(source, `-n ${extension} logs deploy/controller-${target} -c controller`);
    const endpoints = await found(source.core.readNamespacedEndpoints({ namespace: extension, name }));
    const at = addresses(endpoints).map(({ ip }) => ip);
    if (at.length === 0) return no(`${name} has no address: the mirror does not know its gateway`, objects, logs);
    if (external.has("mirror"))
      return yes(`the mirror probes ${at.join(", ")} (its metric is not asked: it runs outside)`, objects);

    const { items } = await source.core.listNamespacedPod({
      namespace: extension,
      labelSelector: `component=controller,${clusterLabel}=${target}`,
    });
    objects.push(...items.map((pod) => named(source, "pod", pod)));
    const running = items.filter(({ metadata, status }) => status?.phase === "Running" && !metadata?.deletionTimestamp);
    if (running.length === 0) return no(`no pod of controller-${target} is running`, objects, logs);
    const metricsOf = ({ metadata, spec }: Pod): Promise<string> => {
      const port = portNamed({ metadata, spec }, "controller", "-admin") ?? controllerAdmin;
      return fetchFromPod(source, { namespace: extension, name: metadata?.name ?? "" }, port, "/metrics", deadline);
    };
    const answers = await Promise.allSettled(running.map(metricsOf));
    // Only the leader holds the link. What the others say, or fail to say, does not matter once it has answered.
    for (const answer of answers) {
      const alive = answer.status === "fulfilled" ? gatewayAlive(answer.value, target) : undefined;
      if (alive === undefined) continue;
      const why = `the mirror's probe of ${at.join(", ")} says ${alive ? "alive" : "dead"}`;
      return alive ? yes(why, objects) : no(why, objects, logs);
    }
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed) throw failed.reason;
    return no("no pod of the controller reports gateway_alive: none of them holds the link", objects, logs);
  },
};

/** The gauge of linkerd2's service-mirror/metrics.go; undefined where a pod does not hold the link (it is not the leader). */
export function gatewayAlive(metrics: string, target: string): boolean | undefined {
  const line = metrics
    .split("\n")
    .find((text) => text.startsWith("gateway_alive{") && text.includes(`target_cluster_name="${target}"`));
  return line === undefined ? undefined : line.trim().endsWith(" 1");
}

const controlPlaneUp = deploymentsCheck(
  "health.control-plane",
  "Is the control plane available?",
  controlPlane,
  "linkerd-proxy-injector",
);
const gatewayUp = deploymentsCheck("health.gateway", "Is the gateway available?", extension, "linkerd-gateway");

/** What comes back by itself, and takes a moment, after clusters or Docker were started anew. */
export const standing: readonly Check[] = [controlPlaneUp, gatewayUp, link, controller];

/** What `linkerd check` and `linkerd multicluster check` look at, as far as the API can tell. */
export const healthChecks = [
  anchors,
  issuers,
  controlPlaneUp,
  injector,
  gatewayUp,
  cli,
  sameAnchors,
  link,
  controller,
  credentials,
  probe,
];
