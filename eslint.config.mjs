import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

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
);
