import type { Api } from "./api";

/** RBAC's verbs: those of requests, and those that are checked beside them. */
const verbs = [
  ...["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"],
  ...["bind", "escalate", "impersonate", "use", "approve", "sign", "attest"],
];

interface Resource {
  group: string;
  /** With its subresource, if it is one: `pods/exec`. */
  resource: string;
  namespaced: boolean;
}

interface Question extends Omit<Resource, "namespaced"> {
  verb: string;
  /** "" is cluster-wide. */
  namespace: string;
  name?: string;
}

/**
 * Asks the API server for each verb on each resource that it serves, cluster-wide and in each of the namespaces, and by
 * name for each ConfigMap and Secret there, whether a service account may do it.
 *
 * @returns what it may, without what it may in every namespace already, and how many questions were asked.
 * Example: `["get configmaps linkerd-config in linkerd", "list services"]`
 */
export async function accessOf(
  api: Api,
  account: { namespace: string; name: string },
  namespaces: string[],
): Promise<{ allowed: string[]; asked: number }> {
  const resources = await resourcesOf(api);
  const everywhere = resources.flatMap(({ group, resource }) =>
    verbs.map((verb): Question => ({ group, resource, verb, namespace: "" })),
  );
  const inNamespaces = resources
    .filter(({ namespaced }) => namespaced)
    .flatMap(({ group, resource }) =>
      namespaces.flatMap((namespace) => verbs.map((verb): Question => ({ group, resource, verb, namespace }))),
    );
  const named = (await namedObjects(api, namespaces)).flatMap((object) =>
    verbs.map((verb): Question => ({ ...object, verb })),
  );

  const granted = new Set(await answered(api, account, everywhere));
  const wider = ({ verb, group, resource, namespace, name }: Question) =>
    granted.has(text({ verb, group, resource, namespace: "" })) ||
    (name !== undefined && granted.has(text({ verb, group, resource, namespace })));
  for (const questions of [inNamespaces, named]) {
    const left = questions.filter((question) => !wider(question));
    for (const one of await answered(api, account, left)) granted.add(one);
  }
  return { allowed: [...granted].sort(), asked: everywhere.length + inNamespaces.length + named.length };
}

/** All resources that the API server serves, without versions: RBAC does not know them. */
async function resourcesOf(api: Api): Promise<Resource[]> {
  const { body } = await api.get<{ groups: { name: string; versions: { groupVersion: string }[] }[] }>("/apis");
  const versions = body.groups.flatMap(({ name, versions }) =>
    versions.map(({ groupVersion }) => ({ group: name, path: `/apis/${groupVersion}` })),
  );
  const found = new Map<string, Resource>();
  for (const { group, path } of [{ group: "", path: "/api/v1" }, ...versions]) {
    const list = await api.get<{ resources: { name: string; namespaced: boolean }[] }>(path);
    for (const { name, namespaced } of list.body.resources) {
      found.set(`${group}/${name}`, { group, resource: name, namespaced });
    }
  }
  return [...found.values()];
}

async function namedObjects(api: Api, namespaces: string[]): Promise<Omit<Question, "verb">[]> {
  const lists = namespaces.flatMap((namespace) =>
    ["configmaps", "secrets"].map(async (resource) =>
      (await api.list(`/api/v1/namespaces/${namespace}/${resource}`)).map(({ metadata: { name } }) => ({
        ...{ group: "", resource, namespace, name },
      })),
    ),
  );
  return (await Promise.all(lists)).flat();
}

/** The questions that are answered with yes, in words. */
async function answered(api: Api, account: { namespace: string; name: string }, questions: Question[]) {
  const { namespace, name } = account;
  const user = {
    user: `system:serviceaccount:${namespace}:${name}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
  };
  const yes: string[] = [];
  const left = [...questions];
  const ask = async () => {
    for (let question = left.pop(); question; question = left.pop()) {
      const review = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview" };
      const [resource, subresource] = question.resource.split("/");
      const resourceAttributes = { ...question, resource, subresource };
      const { body } = await api.ask<{ status: { allowed: boolean } }>(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        { ...review, spec: { ...user, resourceAttributes } },
      );
      if (body.status.allowed) yes.push(text(question));
    }
  };
  await Promise.all(Array.from({ length: 16 }, ask));
  return yes;
}

function text({ verb, group, resource, namespace, name }: Question): string {
  const what = [verb, group ? `${resource}.${group}` : resource, ...(name ? [name] : [])].join(" ");
  return namespace ? `${what} in ${namespace}` : what;
}
