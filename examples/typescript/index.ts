import { K3dCluster, Linkerd, TrustAnchor } from "linkerd-multicluster-mesh";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const given = config.getSecret("kubeconfig");
const domain = given ? "cluster.local" : "east.cluster.local";

/** The cluster of the setting `kubeconfig`, else one that k3d makes. */
export const kubeconfig = given ?? new K3dCluster("east", { apiPort: 6550, domain }).kubeconfig;

const anchor = new TrustAnchor("anchor", { clusters: { east: domain } });
new Linkerd("east", { kubeconfig, domain, trustBundle: anchor.bundlePem, issuer: anchor.issuer("east") });

export const trustAnchorExpires = anchor.expires;
