import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { checkArgs } from "../config/arguments";
import { clusterProvider, inCluster, type LocalCluster } from "./clusters/cluster";
import { commandDefaults, program } from "./clusters/program";
import { kubeconfigEnvironment } from "./givenKubeconfig";
import { type LinkEnd, multiclusterNamespace } from "./multicluster";
import { isLater, part, plainPart, sourcesOf } from "./parts";
import { RemoteAccess } from "./remoteAccess";
import { makeSecret } from "./secret";

export interface MulticlusterLinkArgs {
  /** The output `end` of the Multicluster that mirrors. The link's objects live in its cluster. */
  source: pulumi.Input<LinkEnd>;
  /** The output `end` of the Multicluster whose exported services are mirrored. The link is named after its cluster. */
  target: pulumi.Input<LinkEnd>;
  /** Whether to measure first that pods of the source reach those of the target, and fail if not. Default: false */
  measuresRoutes?: boolean;
}

/**
 * One directed edge of the mesh: `source` mirrors what `target` exports.
 *
 * It reads a token, a CA and the gateway's address from the target. Nothing else crosses from one cluster to another.
 *
 * @throws RefusedError for faulty arguments
 * @example new MulticlusterLink("east-to-west", { source: east.end, target: west.end });
 */
export class MulticlusterLink extends pulumi.ComponentResource {
  constructor(name: string, args: MulticlusterLinkArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArgs("MulticlusterLink", name, args);
    super("mesh:index:MulticlusterLink", name, {}, opts);
    const { source, target, measuresRoutes } = args;
    const link = plainPart(target, (end) => end.cluster);
    const domain = plainPart(target, (end) => end.domain);
    const clusters = {
      source: clusterOf(`${name}-source`, source, this),
      target: clusterOf(`${name}-target`, target, this),
    };
    const inSource = inCluster(clusters.source, this);

    const access = new RemoteAccess(
      name,
      { target, source: plainPart(source, (end) => end.cluster) },
      inCluster(clusters.target, this),
    );
    const credentials = pulumi.interpolate`cluster-credentials-${link}`;
    const texts = { kubeconfig: access.kubeconfig };
    const type = "mirror.linkerd.io/remote-kubeconfig";
    // Two copies: the mirror reads its own, and the destination controller reads the one in Linkerd's namespace.
    const forMirror = makeSecret(
      `${name}-mirror`,
      { metadata: { name: credentials, namespace: multiclusterNamespace }, type, texts },
      { ...inSource, dependsOn: [sourcesOf(part(source, (end) => end.namespace))] },
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
        dependsOn: [
          sourcesOf(part(source, (end) => end.linkerdNamespace)),
          sourcesOf(part(target, (end) => end.linkerdReady)),
        ],
        replaceOnChanges: ["data"],
        deleteBeforeReplace: true,
      },
    );

    const leftovers = mirrorCleanup(name, clusters.source, link, this);
    const measured = measuresRoutes ? [routeMeasurement(name, source, target, this)] : [];
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
          gatewayAddress: plainPart(target, (end) => end.gatewayAddress),
          gatewayPort: plainPart(target, (end) => end.gatewayPort).apply(String),
          gatewayIdentity: pulumi.interpolate`linkerd-gateway.${multiclusterNamespace}.serviceaccount.identity.linkerd.${domain}`,
          probeSpec: { path: "/ready", port: plainPart(target, (end) => end.probePort).apply(String), period: "3s" },
          // Without a selector nothing is mirrored.
          selector: { matchLabels: { "mirror.linkerd.io/exported": "true" } },
          remoteDiscoverySelector: { matchLabels: { "mirror.linkerd.io/exported": "remote-discovery" } },
          federatedServiceSelector: { matchLabels: { "mirror.linkerd.io/federated": "member" } },
        },
      },
      // The Link CRD comes with the source's extension. `leftovers` is deleted after the Link, to clean up after it.
      {
        ...inSource,
        dependsOn: [sourcesOf(part(source, (end) => end.ready)), forMirror, forDestination, leftovers, ...measured],
      },
    );
    this.registerOutputs();
  }
}

interface EndCluster {
  kubeconfig: pulumi.Output<string>;
  provider: k8s.Provider;
  local?: LocalCluster;
}

/** The cluster of an end. In a program of another language it gets a provider of the link's own. */
function clusterOf(name: string, end: pulumi.Input<LinkEnd>, parent: pulumi.Resource): EndCluster {
  const kubeconfig = part(end, (one) => one.kubeconfig);
  const { provider, local } = isLater(end) ? {} : end;
  return { kubeconfig, local, provider: provider ?? clusterProvider(name, { kubeconfig, clusterIdentifier: name }, { parent }) }; // prettier-ignore
}

/**
 * Deleting a Link leaves its mirror services behind. This removes them when a link is deleted but its cluster stays.
 */
function mirrorCleanup(name: string, source: EndCluster, link: pulumi.Output<string>, parent: pulumi.Resource) {
  const { local } = source;
  return new command.local.Command(
    `${name}-mirror-cleanup`,
    {
      delete: program("components/removeMirrors.ts"),
      environment: { MESH_LINK: link, ...kubeconfigEnvironment(source) },
      ...commandDefaults(),
    },
    { parent, ...(local && { deletedWith: local.resource, dependsOn: local.resource }) },
  );
}

/** Needs meshed pods to ask in the target, and a namespace to ask from in the source. */
function routeMeasurement(
  name: string,
  source: pulumi.Input<LinkEnd>,
  target: pulumi.Input<LinkEnd>,
  parent: pulumi.Resource,
) {
  return new command.local.Command(
    `${name}-routes`,
    {
      create: program("components/measureRoutes.ts"),
      environment: {
        MESH_SOURCE: plainPart(source, (end) => end.cluster),
        MESH_TARGET: plainPart(target, (end) => end.cluster),
        MESH_SOURCE_KUBECONFIG: part(source, (end) => end.kubeconfig),
        MESH_TARGET_KUBECONFIG: part(target, (end) => end.kubeconfig),
      },
      ...commandDefaults(),
    },
    { parent, dependsOn: [source, target].map((end) => sourcesOf(part(end, ({ ready }) => ready))) },
  );
}
