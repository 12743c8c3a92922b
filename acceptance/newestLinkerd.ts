import { parse } from "yaml";
import { isOlder } from "../tools/findTools";

const charts = ["linkerd-crds", "linkerd-control-plane", "linkerd-multicluster"];

interface Index {
  entries?: Record<string, { version: string; appVersion?: string }[]>;
}

/**
 * The newest version of which a Helm repository has all three charts, for the weekly run.
 *
 * @param index the repository's index.yaml
 */
export function newestLinkerd(index: string): { version: string; release: string } {
  const { entries = {} } = parse(index) as Index;
  const common = (entries[charts[0] ?? ""] ?? []).filter(({ version }) =>
    charts.every((chart) => entries[chart]?.some((entry) => entry.version === version)),
  );
  const versions = common.map(({ version }) => version).filter((version) => /^\d+\.\d+\.\d+$/.test(version));
  const version = versions.reduce<string | undefined>(
    (newest, one) => (newest === undefined || isOlder(newest, one) ? one : newest),
    undefined,
  );
  if (version === undefined) throw new Error(`the index has no version of all of ${charts.join(", ")}`);
  const controlPlane = entries["linkerd-control-plane"]?.find((entry) => entry.version === version);
  return { version, release: controlPlane?.appVersion ?? `edge-${version.slice(2)}` };
}

/** `node --import tsx acceptance/newestLinkerd.ts < index.yaml` prints two lines for a workflow's environment. */
async function main(): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const { version, release } = newestLinkerd(Buffer.concat(chunks).toString());
  console.log(`LINKERD_CHART_VERSION=${version}\nLINKERD2_VERSION=${release}`);
}

if (require.main === module) void main();
