import {
  client,
  controlPlane,
  extension,
  found,
  named,
  reason,
  statusOf,
  type ClusterClient,
  type Secret,
} from "./api";
import { certificates, decoded } from "./certificates";
import { always, no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { fieldFaults, type Field } from "./fields";
import { denied, remoteRights } from "./rights";

export const credentialsName = (target: string): string => `cluster-credentials-${target}`;

/** The control plane ignores a Secret that lacks one of these: linkerd2's cluster_store.go. */
const type = "mirror.linkerd.io/remote-kubeconfig";
const nameLabel = "multicluster.linkerd.io/cluster-name";
const domainAnnotations = ["multicluster.linkerd.io/trust-domain", "multicluster.linkerd.io/cluster-domain"];

/** The current context of a kubeconfig. */
interface Access {
  server?: string;
  ca?: string;
  token?: string;
}

/** @throws Error of the client if it is not a kubeconfig */
async function accessBy(kubeconfig: string): Promise<Access> {
  const { KubeConfig } = await client();
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const { server, caData } = config.getCurrentCluster() ?? {};
  return { server, ca: decoded(caData), token: config.getCurrentUser()?.token };
}

/** The Secret that the link's controller reads, and the one that the control plane reads. */
async function secretsOf({ source, link }: LinkContext): Promise<[Secret | undefined, Secret | undefined]> {
  const name = credentialsName(link.target);
  const read = (namespace: string) => found(source.core.readNamespacedSecret({ namespace, name }));
  return Promise.all([read(extension), read(controlPlane)]);
}

function objectsOf({ source, link }: LinkContext): string[] {
  const name = credentialsName(link.target);
  return [extension, controlPlane].map((namespace) => named(source, "secret", { metadata: { namespace, name } }));
}

/** The fields that Linkerd reads from the two Secrets, except the kubeconfig. */
export function secretFields(
  secret: Secret,
  namespace: string,
  { name, domain }: Pick<ClusterClient, "name" | "domain">,
): Field[] {
  const of = (field: string): string => `${field} of the secret in ${namespace}`;
  const { labels, annotations } = secret.metadata ?? {};
  const always = [{ name: of("type"), seen: secret.type, expected: type }];
  if (namespace !== controlPlane) return always;
  return [
    ...always,
    { name: of(`label ${nameLabel}`), seen: labels?.[nameLabel], expected: name },
    ...domainAnnotations.map((key) => ({ name: of(`annotation ${key}`), seen: annotations?.[key], expected: domain })),
  ];
}

/** Why the source's pods cannot reach the target with this kubeconfig. `refusal` asks whether its token is valid. */
async function kubeconfigFaults(kubeconfig: string, target: ClusterClient): Promise<string[]> {
  let access: Access;
  try {
    access = await accessBy(kubeconfig);
  } catch (error) {
    return [`its kubeconfig cannot be read: ${reason(error)}`];
  }
  const { server, ca, token } = access;
  // Kubernetes keeps the CA of its API server in every namespace. The same CA comes with a service account's token.
  const root = await found(target.core.readNamespacedConfigMap({ namespace: controlPlane, name: "kube-root-ca.crt" }));
  return [
    ...fieldFaults([{ name: "server of the kubeconfig", seen: server, expected: target.apiServer }]),
    ...authorityFaults(ca, root?.data?.["ca.crt"]),
    ...(token ? [] : ["token of the kubeconfig is missing, expected one of an account in the target"]),
  ];
}

/** @param expected the target's own CA, or undefined if the target does not publish it */
function authorityFaults(ca: string | undefined, expected: string | undefined): string[] {
  const name = "certificate-authority-data of the kubeconfig";
  if (ca === undefined) return [`${name} is missing, expected the target's CA`];
  if (expected === undefined) return [];
  let seen;
  try {
    seen = certificates(ca);
  } catch (error) {
    return [`${name}: ${reason(error)}`];
  }
  const trusted = new Set(seen.map(({ fingerprint256 }) => fingerprint256));
  if (certificates(expected).some(({ fingerprint256 }) => trusted.has(fingerprint256))) return [];
  const subjects = seen.map(({ subject, fingerprint256 }) => `${subject} ${fingerprint256.slice(0, 11)}`);
  return [`${name} is ${subjects.join(", ") || "no certificate"}, expected the target's CA (kube-root-ca.crt)`];
}

const secrets: LinkCheck = {
  id: "health.credentials-secrets",
  group: "health",
  scope: "link",
  title: "Are the link's two secrets complete, and for the target?",
  deadlineSeconds: 15,
  applies: always,
  async run(context): Promise<Finding> {
    const { target, stack, link } = context;
    const next = `npm start -- ${stack.name} --refresh`;
    const found = await secretsOf(context);
    const faults = found.flatMap((secret, i) => {
      const namespace = [extension, controlPlane][i] ?? "";
      if (!secret) return [`there is no secret ${namespace}/${credentialsName(link.target)}`];
      const missing =
        secret.data?.["kubeconfig"] === undefined ? [`kubeconfig of the secret in ${namespace} is missing`] : [];
      return [...fieldFaults(secretFields(secret, namespace, target)), ...missing];
    });
    const [kubeconfig, copy] = found.map((secret) => decoded(secret?.data?.["kubeconfig"]));
    if (kubeconfig !== undefined) faults.push(...(await kubeconfigFaults(kubeconfig, target)));
    if (kubeconfig !== undefined && copy !== undefined && kubeconfig !== copy) {
      faults.push("the two kubeconfigs differ: the control plane would use other credentials than the mirror");
    }
    if (faults.length > 0) return no(faults.join("; "), objectsOf(context), next);
    return yes(`both are for ${target.apiServer}`, objectsOf(context));
  },
};

const accepted: LinkCheck = {
  id: "health.credentials",
  group: "health",
  scope: "link",
  title: "Does the target accept the link's credentials?",
  deadlineSeconds: 15,
  applies: always,
  async run(context): Promise<Finding> {
    const next = `npm start -- ${context.stack.name} --refresh`;
    const objects = objectsOf(context);
    const [secret] = await secretsOf(context);
    const kubeconfig = decoded(secret?.data?.["kubeconfig"]);
    if (kubeconfig === undefined) return no(`the secret has no kubeconfig`, objects, next);
    const fault = await refusal(kubeconfig, context.target);
    return fault ? no(fault, objects, next) : yes(`accepted, with all ${remoteRights.length} rights`, objects);
  },
};

/**
 * Why the target refuses the mirror, or undefined. The request uses the mirror's own token, but this machine's address
 * and CA for the target. The address in the secret needs to resolve only in pods of the source.
 */
async function refusal(kubeconfig: string, target: ClusterClient): Promise<string | undefined> {
  const { KubeConfig, AuthorizationV1Api } = await client();
  const there = target.kube.getCurrentCluster();
  if (!there) throw new Error(`the kubeconfig of ${target.name} has no current cluster`);
  const { token } = await accessBy(kubeconfig);
  if (!token) return "token of the kubeconfig is missing, expected one of an account in the target";
  const mirror = new KubeConfig();
  mirror.loadFromClusterAndUser(there, { name: "mirror", token });
  const api = mirror.makeApiClient(AuthorizationV1Api);
  try {
    const missing = await denied(api, remoteRights);
    return missing.length > 0 ? `they may not ${missing.join(", ")}` : undefined;
  } catch (error) {
    return statusOf(error) === 401 ? "the target refuses the token (401)" : reason(error);
  }
}

export const credentialChecks = [secrets, accepted];
