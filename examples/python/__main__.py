"""Links two existing clusters. `pulumi package add ../../plugin` generates `pulumi_mesh`."""

import pulumi
import pulumi_mesh as mesh

config = pulumi.Config()

made = mesh.Mesh(
    "mesh",
    clusters={"east": {}, "west": {}},
    kubeconfigs={
        "east": config.require_secret("eastKubeconfig"),
        "west": config.require_secret("westKubeconfig"),
    },
)

pulumi.export("clusters", made.clusters)
pulumi.export("trustAnchorExpires", made.trust_anchor_expires)
