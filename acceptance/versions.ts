import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { root } from "../lib/paths";
import { capture, type Environment } from "../lib/run";
import { readStackFile } from "../stacks/stackFile";

/** Versions of everything that the run depends on. "unknown" if a program does not print one. */
export async function versionsOf(
  stack: string,
  env: Environment,
  linkerd: string | undefined,
): Promise<Record<string, string>> {
  const ask = async (program: string, ...args: string[]): Promise<string> => {
    const { code, stdout } = await capture(program, args, { env });
    return (code === 0 && /\d+\.\d+\.\d+\S*/.exec(stdout)?.[0]) || "unknown";
  };
  const [pulumi, helm, k3d, docker, cli] = await Promise.all([
    ask("pulumi", "version"),
    ask("helm", "version", "--short"),
    ask("k3d", "version"),
    ask("docker", "version", "--format", "{{.Server.Version}}"),
    linkerd === undefined ? "none" : ask(linkerd, "version", "--client", "--short"),
  ]);
  const programs = { node: process.versions.node, pulumi, helm, k3d, docker };
  return { ...programs, "linkerd chart": chartVersion(stack), "linkerd CLI": cli };
}

/** Version of the charts in the chart directory if the settings name one, or else the version in the settings. */
export function chartVersion(stack: string): string {
  const { get } = readStackFile(stack);
  const directory = (get("chartDirectory") as string | undefined) ?? process.env.MESH_CHART_DIRECTORY;
  if (directory === undefined) return String(get("linkerdVersion"));
  const file = path.resolve(root, directory, "linkerd-control-plane", "Chart.yaml");
  return (parse(fs.readFileSync(file, "utf8")) as { version: string }).version;
}
