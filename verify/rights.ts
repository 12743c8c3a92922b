import type { AuthorizationV1Api } from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { client, controlPlane, extension, found, named } from "./api";
import { always, no, yes, type Finding, type LinkCheck } from "./check";

export interface Right {
  group: string;
  resource: string;
  verb: string;
  namespace?: string;
  name?: string;
}

const rightsOn = (group: string, resource: string, verbs: string[], where: Partial<Right> = {}): Right[] =>
  verbs.map((verb) => ({ group, resource, verb, ...where }));

const read = ["list", "get", "watch"];

/** Rights of mirror and destination controller in a target: linkerd2's remote-access-service-mirror-rbac.yaml. */
export const remoteRights: readonly Right[] = [
  ...["services", "endpoints", "pods"].flatMap((resource) => rightsOn("", resource, read)),
  ...rightsOn("discovery.k8s.io", "endpointslices", read),
  ...rightsOn("apps", "replicasets", read),
  ...rightsOn("batch", "jobs", read),
  ...rightsOn("policy.linkerd.io", "servers", read),
  ...rightsOn("", "events", ["create", "patch"]),
  ...rightsOn("", "configmaps", ["get"], { namespace: controlPlane, name: "linkerd-config" }),
];

/** Rights of a link's controller in its cluster: linkerd2's controller-clusterrole.yaml and controller/rbac.yaml. */
const localRights = (credentials: string): Right[] => [
  ...["services", "endpoints"].flatMap((resource) => rightsOn("", resource, [...read, "create", "delete", "update"])),
  ...rightsOn("", "namespaces", read),
  ...rightsOn("", "secrets", ["get"], { namespace: extension, name: credentials }),
  ...rightsOn("multicluster.linkerd.io", "links", read, { namespace: extension }),
  ...rightsOn("multicluster.linkerd.io", "links/status", ["update", "patch"], { namespace: extension }),
  ...rightsOn("coordination.k8s.io", "leases", ["create", "get", "update", "patch"], { namespace: extension }),
];

/**
 * The rights that an account lacks, in words.
 *
 * @param user the account. Default: the one that `api` authenticates as
 */
export async function denied(api: AuthorizationV1Api, rights: readonly Right[], user?: string): Promise<string[]> {
  const answers = await Promise.all(
    rights.map(({ group, resource: path, verb, namespace, name }) => {
      const [resource, subresource] = path.split("/");
      const resourceAttributes = { group, resource, subresource, verb, namespace, name };
      return user === undefined
        ? api.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } })
        : api.createSubjectAccessReview({ body: { spec: { user, resourceAttributes } } });
    }),
  );
  return rights.filter((_, i) => !answers[i]?.status?.allowed).map(({ verb, resource }) => `${verb} ${resource}`);
}

export const controllerRights: LinkCheck = {
  id: "health.controller-rights",
  group: "health",
  scope: "link",
  title: "Does the link's controller have the rights that it needs?",
  deadlineSeconds: 15,
  applies: always,
  async run({ source, link: { target }, stack }): Promise<Finding> {
    const { AuthorizationV1Api } = await client();
    const name = `controller-${target}`;
    const deployment = await found(source.apps.readNamespacedDeployment({ namespace: extension, name }));
    const account = deployment?.spec?.template.spec?.serviceAccountName ?? "default";
    const metadata = { namespace: extension, name: account };
    const objects = [named(source, "serviceaccount", { metadata })];
    const next = `npm start -- ${stack.name} --refresh`;
    if (!deployment) return no(`there is no ${name}`, objects, next);
    if (!(await found(source.core.readNamespacedServiceAccount(metadata)))) {
      return no(`there is no service account ${account}`, objects, next);
    }
    const rights = localRights(`cluster-credentials-${target}`);
    const user = `system:serviceaccount:${extension}:${account}`;
    const missing = await denied(source.kube.makeApiClient(AuthorizationV1Api), rights, user);
    if (missing.length > 0) return no(`${account} may not ${missing.join(", ")}`, objects, next);
    return yes(`${account} has all ${rights.length} rights`, objects);
  },
};
