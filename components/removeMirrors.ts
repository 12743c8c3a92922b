import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";

/**
 * Removes the mirror services that a deleted Link left behind. Run by link.ts when a link is destroyed.
 *
 * Environment: MESH_KUBECONFIG (of the source cluster), MESH_LINK (the link's name).
 */
async function removeMirrors(kubeconfig: string, link: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const api = config.makeApiClient(CoreV1Api);
  const labelSelector = `mirror.linkerd.io/mirrored-service=true,mirror.linkerd.io/cluster-name=${link}`;
  const { items } = await api.listServiceForAllNamespaces({ labelSelector });
  for (const { metadata } of items) {
    if (metadata?.name && metadata.namespace) {
      await api.deleteNamespacedService({ name: metadata.name, namespace: metadata.namespace });
      console.log(`removed mirror service ${metadata.namespace}/${metadata.name}`);
    }
  }
}

const { MESH_KUBECONFIG, MESH_LINK } = process.env;
if (!MESH_KUBECONFIG || !MESH_LINK) throw new Error("MESH_KUBECONFIG and MESH_LINK are expected in the environment");
void removeMirrors(MESH_KUBECONFIG, MESH_LINK);
