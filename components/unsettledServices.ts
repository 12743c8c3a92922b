import type * as pulumi from "@pulumi/pulumi";

/**
 * A transform that keeps the provider from waiting ten seconds for each Service's endpoints to "settle".
 *
 * The wait is a fixed one (pulumi-kubernetes, provider/pkg/await/service.go) and adds nothing here: the Deployments
 * behind these Services are awaited, and so is an answer of the webhooks (awaitWebhooks.ts). A load balancer's address
 * is still waited for, by name.
 * https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/#pulumi-com-waitfor
 */
export function withoutSettling(args: pulumi.ResourceTransformArgs): pulumi.ResourceTransformResult | undefined {
  if (args.type !== "kubernetes:core/v1:Service") return undefined;
  const props = args.props as { metadata?: { annotations?: Record<string, string> }; spec?: { type?: string } };
  const wait =
    props.spec?.type === "LoadBalancer"
      ? { "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress}" }
      : { "pulumi.com/skipAwait": "true" };
  const metadata = { ...props.metadata, annotations: { ...props.metadata?.annotations, ...wait } };
  return { props: { ...props, metadata }, opts: args.opts };
}
