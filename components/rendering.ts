import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { readYaml } from "../config/kubectlYaml";
import type { Manifest } from "../config/manifests";
import { RefusedError } from "../config/settings";
import { contentOf } from "../lib/contents";
import { exists, writePrivately } from "../lib/files";
import { exclusively } from "../lib/locks";
import { cacheDirectory } from "../lib/paths";
import { outputOf } from "../lib/run";
import type { Capabilities } from "./clusters/cluster";
import { isNamespaced } from "./objects";

export interface RenderingArgs {
  /** Path of the chart: a directory or an archive. */
  chart: string;
  /** Helm's name of the release. */
  release: string;
  namespace: string;
  /** With a placeholder for each text that is not known yet: placeholders.ts. */
  values: Record<string, unknown>;
  capabilities: Capabilities;
}

/** Increase it when the same chart and values render differently than before. */
const layout = 1;

/**
 * The objects of a chart, without Helm's hooks: they only serve Helm's own installations.
 *
 * `helm template` renders it without asking a cluster. So a preview knows every object even before the clusters exist.
 * The cache directory keeps the result by a digest of all inputs. Otherwise the control plane's chart makes three RSA
 * keys each time, even if it is given others (docs/performance.md).
 *
 * @throws RefusedError with Helm's message when the chart cannot be rendered, or when helm is missing
 * @example
 * await renderChart({ chart: charts["linkerd-crds"], release: "mesh-east-crds", namespace: "linkerd", values: {}, capabilities });
 */
export async function renderChart(args: RenderingArgs): Promise<Manifest[]> {
  const { chart, ...told } = args;
  const digest = createHash("sha256").update(JSON.stringify([layout, told, digestOf(chart)])).digest("hex"); // prettier-ignore
  const kept = path.join(cacheDirectory(), "rendered", `${args.release}-${digest.slice(0, 16)}.json`);
  if (!(await exists(kept))) {
    const objects = await template(args);
    // Stacks brought up at the same time write the same content.
    await exclusively(kept, () => writePrivately(kept, JSON.stringify(objects)));
  }
  return JSON.parse(fs.readFileSync(kept, "utf8")) as Manifest[];
}

async function template({ chart, release, namespace, values, capabilities }: RenderingArgs): Promise<Manifest[]> {
  const versions = capabilities.apiVersions.flatMap((version) => ["--api-versions", version]);
  const flags = ["--namespace", namespace, "--kube-version", capabilities.kubernetesVersion, ...versions];
  const yaml = await helm(
    ["template", release, chart, "--include-crds", "--no-hooks", "--values", "-", ...flags],
    values,
  );
  // Helm reads YAML as kubectl does, by the same library.
  const { documents, problems } = readYaml(yaml);
  if (problems[0]) throw new Error(`chart ${chart}, line ${problems[0].line} of its rendering: ${problems[0].problem}`);
  return documents
    .map(({ value }) => value as Manifest)
    .map((object) =>
      isNamespaced(object)
        ? { ...object, metadata: { ...object.metadata, namespace: object.metadata.namespace ?? namespace } }
        : object,
    );
}

async function helm(args: string[], values: unknown): Promise<string> {
  try {
    // JSON is YAML.
    return await outputOf("helm", args, {}, { input: JSON.stringify(values) });
  } catch (error) {
    const { code, stderr = "" } = (error as Error).cause as { code?: unknown; stderr?: string };
    throw new RefusedError([
      code === "ENOENT"
        ? "charts are rendered by helm, which is not on PATH. " +
          'Next: eval "$(npm run -s env -- <stack>)", which provides it, or install it'
        : `chart ${args[2]} cannot be rendered: ${stderr.trim()}. Next: helm lint ${args[2]}`,
    ]);
  }
}

const digests = new Map<string, string>();

/** The digest of a chart's content. All clusters have the same charts, so it is read once. */
function digestOf(chart: string): string {
  const digest = digests.get(chart) ?? contentOf(chart);
  digests.set(chart, digest);
  return digest;
}
