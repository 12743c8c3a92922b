/**
 * The components for other programs. A TypeScript program imports them from here; other languages use them through
 * `pulumi package add`. docs/components.md describes both.
 *
 * No path in their arguments is resolved against the program's directory.
 */
export { K3dCluster, type K3dClusterArgs, type K3dOptions } from "./clusters/k3d";
export type { KwokOptions } from "./clusters/kwok";
export { MulticlusterLink, type MulticlusterLinkArgs } from "./link";
export { Linkerd, type LinkerdArgs, type LinkerdParts } from "./linkerd";
export { type ClusterOutputs, Mesh, type MeshArgs, type MeshClusterArgs, type MeshLinkArgs } from "./mesh";
export { type LinkEnd, Multicluster, type MulticlusterArgs } from "./multicluster";
export { type IssuerParts, TrustAnchor, type TrustAnchorArgs } from "./trustAnchor";
export { Workloads, type WorkloadsArgs } from "./workloads";
