import type { Manifest } from "../config/manifests";

/**
 * Makes the provider skip its ten-second wait for a Service's endpoints to "settle".
 *
 * The wait has a fixed length (pulumi-kubernetes, provider/pkg/await/service.go) and adds nothing here. The program
 * already waits for the Deployments behind these Services and for the webhooks (awaitWebhooks.ts). With the annotation
 * `waitFor` the provider still waits for a load balancer's address.
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
