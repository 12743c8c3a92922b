import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { runToEnd } from "../lib/verbs";
import { variable } from "./clusters/lifecycle/spec";
import { givenKubeconfig } from "./givenKubeconfig";

/**
 * Removes the mirror services that a deleted Link left behind. link.ts runs it when a link is destroyed.
 *
 * Environment: MESH_LINK (the link's name). For a local source cluster MESH_CLUSTER_NAME (its physical name), else
 * MESH_KUBECONFIG.
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

// Takes no argument: older states stored the command that way.
void runToEnd(async () => removeMirrors(await givenKubeconfig(), variable("MESH_LINK")));
