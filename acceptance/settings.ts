import * as fs from "node:fs";
import * as path from "node:path";
import { parseDocument } from "yaml";
import { root, stateDirectory } from "../lib/paths";
import { project, readStackFile } from "../stacks/stackFile";

/**
 * Gives the stack a flat network. Its manifests are copied, and each cluster's folder gets acceptance/manifests/ in
 * addition.
 */
export function useFlatNetwork(stack: string): void {
  const { file, get } = readStackFile(stack);
  const copy = path.join(stateDirectory, "acceptance", `${stack}-manifests`);
  fs.rmSync(copy, { recursive: true, force: true });
  fs.cpSync(path.resolve(root, String(get("manifests"))), copy, { recursive: true });
  for (const cluster of get("clusters") as string[]) {
    fs.cpSync(path.join(root, "acceptance/manifests"), path.join(copy, cluster), { recursive: true });
  }
  const document = parseDocument(fs.readFileSync(file, "utf8"));
  document.setIn(["config", `${project}:network`], "flat");
  document.setIn(["config", `${project}:manifests`], path.relative(root, copy));
  fs.writeFileSync(file, document.toString());
}

/**
 * Reads the settings that rotations and the step flat-network write into the stack's file. After the stack is destroyed, they
 * must not stay.
 *
 * @returns a function that restores them
 */
export function rememberSettings(file: string): () => void {
  const keys = ["trustAnchors", "issuerGeneration", "network", "manifests"].map((key) => [
    "config",
    `${project}:${key}`,
  ]);
  const read = () => parseDocument(fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "");
  const before = read();
  return () => {
    const now = read();
    for (const key of keys) {
      if (before.hasIn(key)) now.setIn(key, before.getIn(key));
      else if (now.hasIn(key)) now.deleteIn(key);
    }
    if (fs.existsSync(file)) fs.writeFileSync(file, now.toString());
  };
}
