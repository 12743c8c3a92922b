import { parse } from "yaml";
import { controlPlane, found, named, type ClusterClient, type Deployment } from "./api";
import { always, no, yes, type ClusterCheck, type Finding } from "./check";
import { fieldFaults, type Field } from "./fields";

/** Linkerd's ConfigMap with the values of its control plane chart. */
export const linkerdConfig = { namespace: controlPlane, name: "linkerd-config" };

/** Flags of the control plane that name a domain: linkerd2's charts/linkerd-control-plane, identity and destination. */
const domainFlag = /^--?(cluster-domain|identity-trust-domain|identity-domain)=(.*)$/;

/** The domains in the control plane's configuration. The cluster domain is the trust domain as well. */
function domains(values: Record<string, unknown>, deployments: readonly Deployment[], domain: string): Field[] {
  const ofConfig = ["clusterDomain", "identityTrustDomain"].map((key): Field => {
    const value = values[key];
    return { name: `values.${key}`, seen: typeof value === "string" ? value : undefined, expected: domain };
  });
  const ofFlags = deployments.flatMap(({ metadata, spec }) =>
    (spec?.template.spec?.containers ?? []).flatMap(({ name, args = [] }) =>
      args.flatMap((arg): Field[] => {
        const [, flag, seen] = domainFlag.exec(arg) ?? [];
        return flag ? [{ name: `${metadata?.name}, container ${name}: -${flag}`, seen, expected: domain }] : [];
      }),
    ),
  );
  return [...ofConfig, ...ofFlags];
}

/** The values of the control plane chart, or a sentence that says why they cannot be read. */
export async function linkerdValues({ core }: ClusterClient): Promise<Record<string, unknown> | string> {
  const map = await found(core.readNamespacedConfigMap(linkerdConfig));
  const values = map?.data?.["values"];
  if (values === undefined) return "there is no configuration: values is missing";
  try {
    const read: unknown = parse(values);
    return typeof read === "object" && read !== null ? (read as Record<string, unknown>) : {};
  } catch (error) {
    return `values is not valid YAML: ${String(error).split("\n")[0]}`;
  }
}

/** With a wrong domain, the injector gives proxies a wrong identity, and other clusters' names do not resolve. */
export const configuration: ClusterCheck = {
  id: "health.config",
  group: "health",
  scope: "cluster",
  title: "Does Linkerd's configuration name the cluster's domain?",
  deadlineSeconds: 15,
  applies: always,
  async run({ cluster, stack }): Promise<Finding> {
    const [values, { items }] = await Promise.all([
      linkerdValues(cluster),
      cluster.apps.listNamespacedDeployment({ namespace: controlPlane }),
    ]);
    const objects = [named(cluster, "configmap", { metadata: linkerdConfig }), ...deploymentNames(cluster, items)];
    const next = `npm start -- ${stack.name} --refresh`;
    if (typeof values === "string") return no(values, objects, next);
    const faults = fieldFaults(domains(values, items, cluster.domain));
    return faults.length > 0 ? no(faults.join("; "), objects, next) : yes(`all name ${cluster.domain}`, objects);
  },
};

function deploymentNames(cluster: ClusterClient, items: readonly Deployment[]): string[] {
  return items.map((deployment) => named(cluster, "deployment", deployment));
}
