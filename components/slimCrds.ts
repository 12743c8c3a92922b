import { deflateSync, inflateSync } from "node:zlib";
import type * as pulumi from "@pulumi/pulumi";

/** What is used here of a CustomResourceDefinition. */
export interface Definition {
  metadata: {
    name: string;
    annotations?: Record<string, string>;
    managedFields?: { manager: string }[];
  };
}

/** From each name to its definition without descriptions, deflated in base64: a seventh of the bytes. */
export type PackedDefinitions = Record<string, string>;

/** In an order of its own, so that a preview shows what changed and nothing else. */
export function pack(definitions: Definition[]): PackedDefinitions {
  const sorted = [...definitions].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return Object.fromEntries(
    sorted.map((one) => [one.metadata.name, deflateSync(JSON.stringify(slim(one)), { level: 9 }).toString("base64")]),
  );
}

/** The JSON of each definition, by its name. */
export function unpack(packed: PackedDefinitions): Record<string, string> {
  const entries = Object.entries(packed);
  return Object.fromEntries(
    entries.map(([name, deflated]) => [name, inflateSync(Buffer.from(deflated, "base64")).toString()]),
  );
}

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
