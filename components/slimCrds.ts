import type * as pulumi from "@pulumi/pulumi";

/**
 * A transform that takes the descriptions out of CustomResourceDefinitions.
 *
 * They are over half of the whole mesh's state, which the local backend writes at every step, and no API server needs
 * them: they are what `kubectl explain` prints. Validation, defaults and printed columns stay.
 */
export function withoutDescriptions(args: pulumi.ResourceTransformArgs): pulumi.ResourceTransformResult | undefined {
  if (args.type !== "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition") return undefined;
  return { props: slim(args.props) as Record<string, unknown>, opts: args.opts };
}

function slim(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(slim);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      // A description is a string; a field that happens to be called `description` is a schema, and stays.
      .filter(([key, inner]) => !(key === "description" && typeof inner === "string"))
      .map(([key, inner]) => [key, slim(inner)]),
  );
}
