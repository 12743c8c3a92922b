import { controlPlane, extension, found, named, type ClusterClient, type Deployment, type Service } from "./api";
import { always, no, yes, type ClusterCheck, type Finding } from "./check";
import { fieldFaults, type Field } from "./fields";

/** The gateway's Deployment, Service and service account share this name. */
export const gateway = { namespace: extension, name: "linkerd-gateway" };

/** The identity that other clusters' proxies expect at a gateway: its service account in the trust domain. */
export function gatewayIdentity({ domain }: Pick<ClusterClient, "domain">): string {
  return `${gateway.name}.${gateway.namespace}.serviceaccount.identity.${controlPlane}.${domain}`;
}

/** The number by which other clusters reach a port of the gateway's Service. linkerd2, multicluster/cmd/link-gen.go. */
export function portOf(service: Service, name: string): string | undefined {
  const port = service.spec?.ports?.find((one) => one.name === name);
  const number = service.spec?.type === "NodePort" ? port?.nodePort : port?.port;
  return number === undefined ? undefined : String(number);
}

/** The annotations that make a proxy a gateway, and the Service that leads to it: linkerd2's gateway.yaml. */
export function settingFields(
  deployment: Deployment,
  service: Service,
  cluster: Pick<ClusterClient, "domain">,
): Field[] {
  const { metadata, spec } = deployment.spec?.template ?? {};
  const annotation = (name: string, expected: string): Field => ({
    name: `annotation ${name} of the deployment's pods`,
    seen: metadata?.annotations?.[name],
    expected,
  });
  const { name } = gateway;
  const port = service.spec?.ports?.find((one) => one.name === "mc-gateway")?.port;
  return [
    annotation("linkerd.io/inject", "enabled"),
    annotation("config.linkerd.io/enable-gateway", "true"),
    annotation("config.linkerd.io/proxy-require-identity-inbound-ports", String(port ?? 4143)),
    { name: "serviceAccountName of the deployment's pods", seen: spec?.serviceAccountName, expected: name },
    { name: "selector app of the service", seen: service.spec?.selector?.app, expected: metadata?.labels?.app ?? name },
    {
      name: "annotation mirror.linkerd.io/gateway-identity of the service",
      seen: service.metadata?.annotations?.["mirror.linkerd.io/gateway-identity"],
      expected: gatewayIdentity(cluster),
    },
  ];
}

export const gatewaySettings: ClusterCheck = {
  id: "health.gateway-settings",
  group: "health",
  scope: "cluster",
  title: "Is the gateway configured, and does its Service lead to it?",
  deadlineSeconds: 15,
  applies: always,
  async run({ cluster, stack }): Promise<Finding> {
    const objects = ["deployment", "service"].map((kind) => named(cluster, kind, { metadata: gateway }));
    const next = `npm start -- ${stack.name} --refresh`;
    const [deployment, service] = await Promise.all([
      found(cluster.apps.readNamespacedDeployment(gateway)),
      found(cluster.core.readNamespacedService(gateway)),
    ]);
    if (!deployment || !service) {
      return no(`there is no ${deployment ? "service" : "deployment"} ${gateway.name}`, objects, next);
    }
    const ports = ["mc-gateway", "mc-probe"]
      .filter((port) => portOf(service, port) === undefined)
      .map((port) => `port ${port} of the service is missing`);
    const faults = [...ports, ...fieldFaults(settingFields(deployment, service, cluster))];
    return faults.length > 0 ? no(faults.join("; "), objects, next) : yes("its settings are in order", objects);
  },
};
