import { createHash } from "node:crypto";
import type { CoreV1Api } from "@kubernetes/client-node";

/** The injector records the SHA-256 of a pod's anchors in this annotation: linkerd2, pkg/k8s/labels.go. */
export const trustRootHash = "linkerd.io/trust-root-sha256";

/** The SHA-256 of the cluster's current trust anchors. */
export async function presentTrustRootHash(core: CoreV1Api): Promise<string> {
  const { data } = await core.readNamespacedConfigMap({ namespace: "linkerd", name: "linkerd-identity-trust-roots" });
  return createHash("sha256")
    .update(data?.["ca-bundle.crt"] ?? "")
    .digest("hex");
}

/** Whether the injector gave a pod anchors with another hash. False for a pod that it did not inject. */
export function hasOtherTrustRoots(
  pod: { metadata?: { annotations?: Record<string, string> } },
  hash: string,
): boolean {
  const given = pod.metadata?.annotations?.[trustRootHash];
  return given !== undefined && given !== hash;
}
