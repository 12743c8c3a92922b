import * as fs from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { main, type Provider } from "@pulumi/pulumi/provider";
import { version } from "../package.json";
import * as components from "../components/package";

type Construct = new (
  name: string,
  args: pulumi.Inputs,
  opts: pulumi.ComponentResourceOptions,
) => pulumi.ComponentResource & Record<string, unknown>;

interface Schema {
  resources: Record<string, { properties: Record<string, unknown> }>;
}

/** The schema, as `node --import tsx plugin/generate.ts` wrote it. */
export const schemaFile = path.join(__dirname, "schema.json");

/**
 * The components as a provider for programs in any language.
 *
 * `componentProviderHost` of the SDK does the same for simpler components. It analyzes the sources with the TypeScript
 * compiler at each start, and cannot read a component with parts for TypeScript programs only.
 */
export function provider(): Provider {
  const schema = fs.readFileSync(schemaFile, "utf8");
  const { resources } = JSON.parse(schema) as Schema;
  return {
    version,
    schema,
    async construct(name, type, inputs, options) {
      const Component = (components as unknown as Partial<Record<string, Construct>>)[type.replace("mesh:index:", "")];
      const properties = resources[type]?.properties;
      if (!Component || !properties)
        throw new Error(`the package has no component ${type}; it has ${Object.keys(resources).join(", ")}`);
      const made = new Component(name, inputs, options);
      // One Output each: the SDK cannot read an argument with a secret within a value (provider/server.js, deserializeInputs).
      const outputs = Object.keys(properties).map((name) => [name, pulumi.output(made[name])] as const);
      const state = Object.fromEntries(outputs);
      return Promise.resolve({ urn: made.urn, state });
    },
  };
}

/** Serves the components to the engine. */
export function serve(args: string[]): Promise<void> {
  return main(provider(), args);
}
