import type { X509Certificate } from "node:crypto";
import { controlPlane, found, named, type ClusterClient } from "./api";
import {
  certificates,
  decoded,
  goKeys,
  issuerFault,
  keyFault,
  rustKeys,
  timeFault,
  webhookFaults,
} from "./certificates";
import { always, no, yes, type ClusterCheck, type Finding, type LinkCheck } from "./check";
import { fieldFaults } from "./fields";

const roots = { namespace: controlPlane, name: "linkerd-identity-trust-roots" };
const issuer = { namespace: controlPlane, name: "linkerd-identity-issuer" };
export const rootsObject = (cluster: ClusterClient): string => named(cluster, "configmap", { metadata: roots });

/** The trust anchors of a cluster, PEM, or undefined where the ConfigMap lacks them. */
export async function bundleOf(cluster: ClusterClient): Promise<string | undefined> {
  const map = await found(cluster.core.readNamespacedConfigMap(roots));
  return map?.data?.["ca-bundle.crt"];
}

/** A cluster's issuer. */
interface Issuer {
  /** PEM */
  certificate?: string;
  /** PEM */
  key?: string;
  /** The field of the Secret that has the key. */
  keyField: string;
}

/** Reads the issuer's Secret. Linkerd knows two schemes: linkerd.io/tls, the chart's default, and kubernetes.io/tls. */
export async function issuerOf(cluster: ClusterClient): Promise<Issuer> {
  const data = (await found(cluster.core.readNamespacedSecret(issuer)))?.data ?? {};
  const [crt, key] = data["crt.pem"] === undefined ? ["tls.crt", "tls.key"] : ["crt.pem", "key.pem"];
  return { certificate: decoded(data[crt]), key: decoded(data[key]), keyField: key };
}

async function anchorsOf(cluster: ClusterClient): Promise<X509Certificate[]> {
  return certificates((await bundleOf(cluster)) ?? "");
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
    if (all.length === 0) {
      return no("there is no trust anchor in ca-bundle.crt", objects, `npm start -- ${stack.name} --refresh`);
    }
    const fault = all.map((anchor) => timeFault(anchor, `anchor ${anchor.subject}`)).find((text) => text !== undefined);
    if (fault) return no(fault, objects, `npm run rotate -- anchor ${stack.name}`);
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
    const next = `npm start -- ${stack.name} --refresh`;
    const { certificate: pem, key, keyField } = await issuerOf(cluster);
    const [certificate] = certificates(pem ?? "");
    if (!certificate) return no("there is no issuer: the secret has no certificate", objects, next);
    const fault = issuerFault(certificate, await anchorsOf(cluster));
    if (fault) return no(fault, objects, `npm run rotate -- issuers ${stack.name}`);
    const unusable = keyFault(keyField, key, certificate);
    return unusable ? no(unusable, objects, next) : yes(`valid until ${certificate.validTo}`, objects);
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
    const prints = async (end: ClusterClient) =>
      new Set((await anchorsOf(end)).map(({ fingerprint256 }) => fingerprint256));
    const [here, there] = await Promise.all([prints(source), prints(target)]);
    const shared = [...here].filter((print) => there.has(print)).length;
    if (shared > 0 && shared === here.size && shared === there.size) return yes(`${shared} in both`, objects);
    const counts = `${source.name} has ${here.size}, ${target.name} ${there.size}, both have ${shared}`;
    return no(
      `the bundles differ (${counts}): mTLS between the clusters fails`,
      objects,
      `npm start -- ${stack.name} --refresh`,
    );
  },
};

interface Webhook {
  id: string;
  title: string;
  /** Name of the Service. The configuration and the Secret are named after it. */
  service: string;
  kind: "mutatingwebhookconfiguration" | "validatingwebhookconfiguration";
  readable: readonly string[];
}

const webhooks: Webhook[] = [
  {
    id: "health.injector",
    title: "Will the API server accept the injector's certificate?",
    service: "linkerd-proxy-injector",
    kind: "mutatingwebhookconfiguration",
    readable: goKeys,
  },
  {
    id: "health.sp-validator",
    title: "Will the API server accept the profile validator's certificate?",
    service: "linkerd-sp-validator",
    kind: "validatingwebhookconfiguration",
    readable: goKeys,
  },
  {
    id: "health.policy-validator",
    title: "Will the API server accept the policy validator's certificate?",
    service: "linkerd-policy-validator",
    kind: "validatingwebhookconfiguration",
    readable: rustKeys,
  },
];

function webhookCheck({ id, title, service, kind, readable }: Webhook): ClusterCheck {
  return {
    id,
    group: "health",
    scope: "cluster",
    title,
    deadlineSeconds: 15,
    applies: always,
    async run({ cluster, stack }): Promise<Finding> {
      const name = `${service}-webhook-config`;
      const tls = { namespace: controlPlane, name: `${service}-k8s-tls` };
      const objects = [named(cluster, kind, { metadata: { name } }), named(cluster, "secret", { metadata: tls })];
      const { admission, core } = cluster;
      const [configuration, secret] = await Promise.all([
        found(
          kind === "mutatingwebhookconfiguration"
            ? admission.readMutatingWebhookConfiguration({ name })
            : admission.readValidatingWebhookConfiguration({ name }),
        ),
        found(core.readNamespacedSecret(tls)),
      ]);
      const clients = (configuration?.webhooks ?? []).map(({ clientConfig }) => clientConfig);
      const next = `npm start -- ${stack.name} --refresh`;
      if (clients.length === 0) return no(`there is no webhook in ${name}`, objects, next);
      if (!secret) return no(`there is no secret ${tls.namespace}/${tls.name}`, objects, next);
      const [crt, key] = ["tls.crt", "tls.key"].map((field) => decoded(secret.data?.[field]));
      const faults = [
        ...clients.flatMap((client) =>
          fieldFaults([
            { name: "clientConfig.service.name", seen: client.service?.name, expected: service },
            { name: "clientConfig.service.namespace", seen: client.service?.namespace, expected: controlPlane },
          ]),
        ),
        ...webhookFaults({
          caBundles: clients.map(({ caBundle }) => decoded(caBundle)),
          certificate: crt,
          key,
          host: `${service}.${controlPlane}.svc`,
          readable,
        }),
      ];
      if (faults.length > 0) return no(faults.join("; "), objects, next);
      return yes(`valid until ${certificates(crt ?? "")[0]?.validTo}`, objects);
    },
  };
}

export const clusterTrust: ClusterCheck[] = [anchors, issuers, ...webhooks.map(webhookCheck)];
export const linkTrust: LinkCheck[] = [sameAnchors];
