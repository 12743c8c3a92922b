import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { type ExistingSettings, RefusedError } from "./settings";

/** The fields of a kubeconfig used here. */
interface KubeConfigFile {
  contexts?: { name: string; context: { cluster: string; user: string; namespace?: string } }[];
  clusters?: { name: string; cluster: { server: string } }[];
  users?: { name: string }[];
}

/**
 * Extracts one context from a kubeconfig, so that the state holds no credentials of other clusters.
 *
 * @throws RefusedError when the file or the context is missing
 */
export function readContext(cluster: string, settings: ExistingSettings): { text: string; server: string } {
  const files = settings.kubeconfig ?? process.env.KUBECONFIG ?? path.join(os.homedir(), ".kube", "config");
  const refuse = (problem: string): never => {
    throw new RefusedError([
      `existing.${cluster}.context is ${JSON.stringify(settings.context)}; ${problem}. ` +
        `Next: pulumi config set --path existing.${cluster}.context <context>`,
    ]);
  };
  const available: string[] = [];
  for (const file of files.split(path.delimiter).filter((file) => fs.existsSync(file))) {
    const config = parse(fs.readFileSync(file, "utf8")) as KubeConfigFile;
    available.push(...(config.contexts ?? []).map((context) => context.name));
    const context = config.contexts?.find((candidate) => candidate.name === settings.context);
    if (!context) continue;
    const entry = config.clusters?.find((candidate) => candidate.name === context.context.cluster);
    const user = config.users?.find((candidate) => candidate.name === context.context.user);
    if (!entry || !user) return refuse(`its cluster or user is missing in ${file}`);
    const one = { apiVersion: "v1", kind: "Config", clusters: [entry], users: [user], contexts: [context] };
    return { text: stringify({ ...one, "current-context": context.name }), server: entry.cluster.server };
  }
  return refuse(`allowed: a context of ${files}: ${available.join(", ") || "there is none"}`);
}
