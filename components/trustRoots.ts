import { createHash } from "node:crypto";
import type { CoreV1Api } from "@kubernetes/client-node";

/** The injector writes the SHA-256 of the anchors it gave to a pod here: linkerd2, pkg/k8s/labels.go. */
const annotation = "linkerd.io/trust-root-sha256";

/** The SHA-256 of the cluster's present trust anchors. */
export async function presentTrustRootHash(core: CoreV1Api): Promise<string> {
  const { data } = await core.readNamespacedConfigMap({ namespace: "linkerd", name: "linkerd-identity-trust-roots" });
  return createHash("sha256")
    .update(data?.["ca-bundle.crt"] ?? "")
    .digest("hex");
}

/** Whether the injector gave a pod anchors with another hash. False for a pod that it left alone. */
export function hasOtherTrustRoots(
  pod: { metadata?: { annotations?: Record<string, string> } },
  hash: string,
): boolean {
  const given = pod.metadata?.annotations?.[annotation];
  return given !== undefined && given !== hash;
}
