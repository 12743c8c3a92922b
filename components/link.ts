import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "./clusters/cluster";
import { inCluster } from "./clusters/cluster";
import { program } from "./clusters/program";
import { kubeconfigEnvironment } from "./givenKubeconfig";
import type { Linkerd } from "./linkerd";
import type { Multicluster } from "./multicluster";
import { multiclusterNamespace } from "./multicluster";
import { RemoteAccess } from "./remoteAccess";
import { makeSecret } from "./secret";

/** One end of a link. */
export interface LinkEnd {
  cluster: Cluster;
  linkerd: Linkerd;
  multicluster: Multicluster;
}

export interface LinkArgs {
  /** The cluster that mirrors. The link's objects live here. */
  source: LinkEnd;
  /** The cluster whose exported services are mirrored. The link is named after it. */
  target: LinkEnd;
  /** Whether to measure first that pods of the source reach those of the target, and fail if not. Default: false */
  measuresRoutes?: boolean;
}

/**
 * One directed edge of the mesh: `source` mirrors what `target` exports.
 *
 * It reads a token, a CA and the gateway's address from the target. Nothing else crosses from one cluster to another.
 *
 * @example new MulticlusterLink("mesh-east-to-west", { source: east, target: west }, { parent: mesh });
 */
export class MulticlusterLink extends pulumi.ComponentResource {
  constructor(name: string, { source, target, measuresRoutes }: LinkArgs, opts: { parent: pulumi.Resource }) {
    super("mesh:index:MulticlusterLink", name, {}, opts);
    const link = target.cluster.plan.name;
    const { domain } = target.cluster.plan;
    const { gatewayAddress, gatewayPorts } = target.multicluster;
    const inSource = inCluster(source.cluster, this);

    const access = new RemoteAccess(
      name,
      {
        target: target.cluster,
        namespace: target.multicluster.namespace,
        linkerdNamespace: target.linkerd.namespace,
        source: source.cluster.plan.name,
      },
      { parent: this },
    );
    const credentials = `cluster-credentials-${link}`;
    const texts = { kubeconfig: access.kubeconfig };
    const type = "mirror.linkerd.io/remote-kubeconfig";
    // Two copies: the mirror reads its own, and the destination controller reads the one in Linkerd's namespace.
    const forMirror = makeSecret(
      `${name}-mirror`,
      { metadata: { name: credentials, namespace: multiclusterNamespace }, type, texts },
      { ...inSource, dependsOn: source.multicluster.namespace },
    );
    const forDestination = makeSecret(
      `${name}-destination`,
      {
        metadata: {
          name: credentials,
          namespace: "linkerd",
          labels: { "multicluster.linkerd.io/cluster-name": link },
          annotations: {
            "multicluster.linkerd.io/trust-domain": domain,
            "multicluster.linkerd.io/cluster-domain": domain,
          },
        },
        type,
        texts,
      },
      {
        ...inSource,
        // The destination controller reads the Secret when it appears, and never again: not when the target's
        // definitions were missing then, and not when the Secret changes (linkerd2, watcher/cluster_store.go).
        dependsOn: [source.linkerd.namespace, target.linkerd],
        replaceOnChanges: ["data"],
        deleteBeforeReplace: true,
      },
    );

    const leftovers = mirrorCleanup(name, source.cluster, link, { parent: this });
    const measured = measuresRoutes ? [routeMeasurement(name, source, target, { parent: this })] : [];
    new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: "multicluster.linkerd.io/v1alpha3",
        kind: "Link",
        metadata: { name: link, namespace: multiclusterNamespace },
        spec: {
          targetClusterName: link,
          targetClusterDomain: domain,
          targetClusterLinkerdNamespace: "linkerd",
          clusterCredentialsSecret: credentials,
          gatewayAddress,
          gatewayPort: String(gatewayPorts.gateway),
          gatewayIdentity: `linkerd-gateway.${multiclusterNamespace}.serviceaccount.identity.linkerd.${domain}`,
          probeSpec: { path: "/ready", port: String(gatewayPorts.probe), period: "3s" },
          // Without a selector nothing is mirrored.
          selector: { matchLabels: { "mirror.linkerd.io/exported": "true" } },
          remoteDiscoverySelector: { matchLabels: { "mirror.linkerd.io/exported": "remote-discovery" } },
          federatedServiceSelector: { matchLabels: { "mirror.linkerd.io/federated": "member" } },
        },
      },
      // The Link CRD comes with the source's extension. `leftovers` is deleted after the Link, to clean up after it.
      { ...inSource, dependsOn: [source.multicluster, forMirror, forDestination, leftovers, ...measured] },
    );
    this.registerOutputs();
  }
}

/**
 * Deleting a Link leaves its mirror services behind. This removes them when a link is deleted but its cluster stays.
 */
function mirrorCleanup(name: string, source: Cluster, link: string, opts: pulumi.CustomResourceOptions) {
  const { clusterResource } = source;
  return new command.local.Command(
    `${name}-mirror-cleanup`,
    {
      delete: program("components/removeMirrors.ts"),
      environment: { MESH_LINK: link, ...kubeconfigEnvironment(source) },
      addPreviousOutputInEnv: false,
    },
    { ...opts, ...(clusterResource && { deletedWith: clusterResource, dependsOn: clusterResource }) },
  );
}

/** Needs meshed pods to ask in the target, and a namespace to ask from in the source. */
function routeMeasurement(name: string, source: LinkEnd, target: LinkEnd, opts: pulumi.CustomResourceOptions) {
  return new command.local.Command(
    `${name}-routes`,
    {
      create: program("components/measureRoutes.ts"),
      environment: {
        MESH_SOURCE: source.cluster.plan.name,
        MESH_TARGET: target.cluster.plan.name,
        MESH_SOURCE_KUBECONFIG: source.cluster.kubeconfig,
        MESH_TARGET_KUBECONFIG: target.cluster.kubeconfig,
      },
      addPreviousOutputInEnv: false,
    },
    { ...opts, dependsOn: [source.multicluster, target.multicluster] },
  );
}
