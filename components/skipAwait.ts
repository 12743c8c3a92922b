import type { Manifest } from "../config/manifests";

/**
 * A Service for whose endpoints the provider does not wait ten seconds to "settle".
 *
 * The wait is a fixed one (pulumi-kubernetes, provider/pkg/await/service.go) and adds nothing here: the Deployments
 * behind these Services are awaited, and so is an answer of the webhooks (awaitWebhooks.ts). A load balancer's address
 * is still waited for, by name.
 * https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/#pulumi-com-waitfor
 */
export function skipAwait(service: Manifest): Manifest {
  const { type } = (service.spec ?? {}) as { type?: string };
  const wait: Record<string, string> =
    type === "LoadBalancer"
      ? { "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress}" }
      : { "pulumi.com/skipAwait": "true" };
  return { ...service, metadata: { ...service.metadata, annotations: { ...service.metadata.annotations, ...wait } } };
}
