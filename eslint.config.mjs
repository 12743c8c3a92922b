import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

/**
 * What each folder may import from, besides itself. docs/architecture.md says what the folders are.
 *
 * @type {Record<string, string[]>}
 */
const layers = {
  lib: [],
  imageCache: ["lib"],
  config: ["lib"],
  "components/clusters/lifecycle": ["lib", "imageCache", "config"],
  "components/clusters": ["lib", "imageCache", "config", "components/clusters/lifecycle"],
  components: ["lib", "imageCache", "config"],
  plugin: ["lib", "config", "components"],
  offline: ["lib"],
  tools: ["lib", "config", "offline"],
  verify: ["lib"],
  status: ["lib", "verify"],
  view: ["lib", "status", "verify"],
  stacks: ["lib", "config", "tools", "verify"],
  traffic: ["lib", "verify"],
  timeline: ["lib", "config", "tools", "stacks"],
  bench: ["lib", "config", "components", "tools", "stacks"],
  acceptance: ["lib", "config", "components", "tools", "verify", "stacks", "traffic"],
  examples: ["lib", "config", "components"],
  drill: ["lib", "config", "components", "verify", "status", "stacks", "traffic"],
  cli: [
    "lib",
    "imageCache",
    "config",
    "tools",
    "verify",
    "status",
    "view",
    "stacks",
    "timeline",
    "bench",
    "acceptance",
    "drill",
  ],
};
const indexMayImport = ["lib", "config", "components"];
const folders = [...new Set(Object.keys(layers).map((layer) => layer.replace(/\/.*/, ""))), "tests"];

/**
 * Refuses imports of a layer that point upwards, `import type`, `import()` and `typeof import()` too.
 *
 * @param {[string, string[]]} layer
 * @returns {import("typescript-eslint").ConfigWithExtends}
 */
function layerRule([layer, below]) {
  const [folder = layer, ...inside] = layer.split("/");
  const foreign = folders.filter((one) => one !== folder && !below.includes(one)).join("|");
  const patterns = [`^(\\./)*(\\.\\./)+(${foreign}|index)(/|$)`];
  // A folder within a folder knows nothing of those around it.
  if (inside.length > 0) patterns.push(`^(\\.\\./){1,${inside.length}}[^./]`);
  const message = `${layer}/ may import from: ${below.join(", ") || "nothing else"} (docs/architecture.md)`;
  return { files: [`${layer}/**/*.{ts,tsx,mjs}`], rules: refusing(patterns, message) };
}

/**
 * @param {string[]} patterns of imported paths
 * @param {string} message
 * @returns {import("typescript-eslint").ConfigWithExtends["rules"]}
 */
function refusing(patterns, message) {
  const nodes = ["ImportExpression", "TSImportType"];
  const selectors = patterns.flatMap((regex) =>
    nodes.map((node) => `${node}[source.value=/${regex.replaceAll("/", "\\/")}/]`),
  );
  // A path that is put together could lead anywhere.
  selectors.push("ImportExpression > TemplateLiteral[quasis.0.value.raw=/^\\./]");
  return {
    "no-restricted-imports": ["error", { patterns: patterns.map((regex) => ({ regex, message })) }],
    "no-restricted-syntax": ["error", ...selectors.map((selector) => ({ selector, message }))],
  };
}

export default tseslint.config(
  // *.cjs are a few lines that load what is linted, before TypeScript can be.
  { ignores: ["node_modules/", ".state/", "**/*.cjs"] },
  eslint.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", name: ["test", "it", "describe", "suite"], package: "node:test" },
          ],
        },
      ],
      // `new Component(...)` for its effect on the graph is how a Pulumi program is written.
      "no-new": "off",
    },
  },
  {
    files: ["index.ts"],
    rules: refusing(
      [`^\\./(${folders.filter((folder) => !indexMayImport.includes(folder)).join("|")})(/|$)`],
      `index.ts may import from: ${indexMayImport.join(", ")} (docs/architecture.md)`,
    ),
  },
  // Outer folders first: the rule of a folder within takes the place of the one around it.
  ...Object.entries(layers)
    .sort(([a], [b]) => a.length - b.length)
    .map(layerRule),
);
