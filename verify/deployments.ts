import { controlPlane, extension, found, kubectl, named, type Deployment } from "./api";
import { always, no, yes, type ClusterCheck, type Finding, type LinkCheck } from "./check";
import { fieldFaults } from "./fields";
import { clusterLabel } from "./mirroredServices";

/**
 * Why a Deployment has no ready replica, or undefined. Kubernetes calls a Deployment with 0 replicas available, so its
 * condition is not enough.
 */
export function unavailability({ spec, status }: Deployment): string | undefined {
  const wanted = spec?.replicas ?? 1;
  if (wanted === 0) return "is scaled to 0";
  const ready = status?.readyReplicas ?? 0;
  const available = (status?.conditions ?? []).some(({ type, status }) => type === "Available" && status === "True");
  return available && ready > 0 ? undefined : `has ${ready} of ${wanted} replicas ready`;
}

function deploymentsCheck(id: string, title: string, namespace: string, needed: readonly string[]): ClusterCheck {
  return {
    id,
    group: "health",
    scope: "cluster",
    title,
    deadlineSeconds: 15,
    applies: always,
    async run({ cluster, stack }): Promise<Finding> {
      const all = (await cluster.apps.listNamespacedDeployment({ namespace })).items
        // Each link has a check of its own for its controller.
        .filter(({ metadata }) => metadata?.labels?.[clusterLabel] === undefined);
      const objects = all.map((deployment) => named(cluster, "deployment", deployment));
      const restore = `npm start -- ${stack.name} --refresh`;
      const missing = needed.filter((name) => !all.some(({ metadata }) => metadata?.name === name));
      if (missing.length > 0) return no(`there is no ${missing.join(", ")} in ${namespace}`, objects, restore);
      const down = all.flatMap((deployment) => {
        const why = unavailability(deployment);
        return why === undefined ? [] : [{ deployment, why }];
      });
      if (down.length === 0) return yes(`${all.length} deployments are available`, objects);
      const scaled = down.some(({ deployment }) => deployment.spec?.replicas === 0);
      return no(
        down.map(({ deployment, why }) => `${deployment.metadata?.name} ${why}`).join("; "),
        objects,
        scaled ? restore : kubectl(cluster, `-n ${namespace} get pods`),
      );
    },
  };
}

export const controlPlaneUp = deploymentsCheck(
  "health.control-plane",
  "Is the control plane available?",
  controlPlane,
  ["linkerd-identity", "linkerd-destination", "linkerd-proxy-injector"],
);
export const gatewayUp = deploymentsCheck("health.gateway", "Is the gateway available?", extension, [
  "linkerd-gateway",
]);

export const controllerUp: LinkCheck = {
  id: "health.controller",
  group: "health",
  scope: "link",
  title: "Is the link's controller available?",
  deadlineSeconds: 15,
  applies: always,
  async run({ source, link: { target }, stack }): Promise<Finding> {
    const name = `controller-${target}`;
    const objects = [named(source, "deployment", { metadata: { namespace: extension, name } })];
    const restore = `npm start -- ${stack.name} --refresh`;
    const deployment = await found(source.apps.readNamespacedDeployment({ namespace: extension, name }));
    if (!deployment) return no(`there is no ${name}`, objects, restore);
    const why = unavailability(deployment);
    if (why === undefined) return yes("it is available (other checks ask whether it mirrors)", objects);
    const scaled = deployment.spec?.replicas === 0;
    return no(`${name} ${why}`, objects, scaled ? restore : kubectl(source, `-n ${extension} describe deploy/${name}`));
  },
};

/** The wrong arguments of a link's controller, in words. linkerd2, multicluster/cmd/service-mirror/main.go. */
export function controllerFaults({ spec }: Deployment, target: string): string[] {
  const container = spec?.template.spec?.containers.find(({ name }) => name === "controller");
  if (!container) return ["it has no container controller"];
  const args = container.args ?? [];
  const flag = (name: string): string | undefined =>
    args.map((arg) => new RegExp(`^--?${name}(?:=(.*))?$`).exec(arg)).find((match) => match)?.[1];
  const has = (name: string): boolean => args.some((arg) => new RegExp(`^--?${name}(=true)?$`).test(arg));
  return fieldFaults([
    { name: "argument -namespace", seen: flag("namespace"), expected: extension },
    { name: "argument -probe-service", seen: flag("probe-service"), expected: `probe-${target}` },
    {
      name: "argument -enable-headless-services",
      seen: has("enable-headless-services") ? "set" : undefined,
      expected: "set",
    },
    { name: "last argument, the Link's name,", seen: args.at(-1), expected: target },
  ]);
}

export const controllerSettings: LinkCheck = {
  id: "health.controller-settings",
  group: "health",
  scope: "link",
  title: "Does the link's controller have the right arguments?",
  deadlineSeconds: 15,
  applies: always,
  async run({ source, link: { target }, stack }): Promise<Finding> {
    const name = `controller-${target}`;
    const objects = [named(source, "deployment", { metadata: { namespace: extension, name } })];
    const next = `npm start -- ${stack.name} --refresh`;
    const deployment = await found(source.apps.readNamespacedDeployment({ namespace: extension, name }));
    if (!deployment) return no(`there is no ${name}`, objects, next);
    const faults = controllerFaults(deployment, target);
    return faults.length > 0 ? no(faults.join("; "), objects, next) : yes("its arguments are in order", objects);
  },
};
