import * as fs from "node:fs";
import * as path from "node:path";
import type { ChartPaths } from "../../config/charts";
import { physicalNameOf } from "../../config/physicalName";
import { root } from "../../lib/paths";

/** Writes everything that demo.sh and helm.sh read. `name` is that of a stack whose clusters would have the same names. */
export function writeFolder(folder: string, name: string, charts: ChartPaths): void {
  const write = (file: string, content: unknown) =>
    fs.writeFileSync(path.join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
  fs.mkdirSync(path.join(folder, "charts"), { recursive: true });
  for (const [chart, from] of Object.entries(charts)) fs.symlinkSync(from, path.join(folder, "charts", chart));
  fs.symlinkSync(path.join(root, "manifests"), path.join(folder, "manifests"));
  write("network", `${name}-network`);
  write("namespaces.json", { apiVersion: "v1", kind: "List", items: namespaces });
  for (const [cluster, target] of [
    ["east", "west"],
    ["west", "east"],
  ] as const) {
    fs.mkdirSync(path.join(folder, cluster));
    write(`${cluster}/name`, physicalNameOf(name, cluster));
    write(`${cluster}/linkerd.json`, linkerdValues(cluster));
    write(`${cluster}/multicluster.json`, multiclusterValues(cluster, target));
    write(`${cluster}/link.json`, linkTo(target, `k3d-${physicalNameOf(name, target)}-server-0`));
  }
}

const privileged = { "pod-security.kubernetes.io/enforce": "privileged" };

/** Linkerd's charts leave their namespaces to the user of Helm. The first must be without webhooks. */
const namespaces = [
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: "linkerd",
      annotations: { "linkerd.io/inject": "disabled" },
      labels: {
        "linkerd.io/is-control-plane": "true",
        "linkerd.io/control-plane-ns": "linkerd",
        "config.linkerd.io/admission-webhooks": "disabled",
        ...privileged,
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "linkerd-multicluster", labels: { "linkerd.io/extension": "multicluster", ...privileged } },
  },
];

const domainOf = (cluster: string) => `${cluster}.cluster.local`;

/** The mesh's choices for the chart of the control plane: components/linkerd.ts. */
export function linkerdValues(cluster: string): Record<string, unknown> {
  return {
    clusterDomain: domainOf(cluster),
    identityTrustDomain: domainOf(cluster),
    disableHeartBeat: true,
    proxy: { logLevel: "linkerd=debug,warn" },
    webhookFailurePolicy: "Fail",
  };
}

/** The mesh's choices for the chart of the extension: components/multicluster.ts. */
export function multiclusterValues(cluster: string, target: string): Record<string, unknown> {
  return {
    identityTrustDomain: domainOf(cluster),
    // The job would pull an image that this program does not use, and it sets labels that the namespace already has.
    createNamespaceMetadataJob: false,
    controllers: [{ link: { ref: { name: target } } }],
    controllerDefaults: { enableHeadlessServices: true },
    gateway: { replicas: 2 },
  };
}

/** The Link to a target, as `linkerd multicluster link-gen` makes it. */
export function linkTo(target: string, gatewayAddress: string): Record<string, unknown> {
  const namespace = "linkerd-multicluster";
  return {
    apiVersion: "multicluster.linkerd.io/v1alpha3",
    kind: "Link",
    metadata: { name: target, namespace },
    spec: {
      targetClusterName: target,
      targetClusterDomain: domainOf(target),
      targetClusterLinkerdNamespace: "linkerd",
      clusterCredentialsSecret: `cluster-credentials-${target}`,
      gatewayAddress,
      gatewayPort: "4143",
      gatewayIdentity: `linkerd-gateway.${namespace}.serviceaccount.identity.linkerd.${domainOf(target)}`,
      probeSpec: { path: "/ready", port: "4191", period: "3s" },
      selector: { matchLabels: { "mirror.linkerd.io/exported": "true" } },
      remoteDiscoverySelector: { matchLabels: { "mirror.linkerd.io/exported": "remote-discovery" } },
      federatedServiceSelector: { matchLabels: { "mirror.linkerd.io/federated": "member" } },
    },
  };
}
