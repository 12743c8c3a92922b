import * as fs from "node:fs";
import * as path from "node:path";
import { parse, parseDocument } from "yaml";
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
  write(file, { [`${project}:network`]: "flat", [`${project}:manifests`]: path.relative(root, copy) });
}

/** The folders of examples/ that have a stack file. */
export function exampleNames(): string[] {
  return fs.readdirSync(path.join(root, "examples")).filter((name) => fs.existsSync(readStackFile(name).file));
}

/** Gives the stack the settings of an example, besides its own. */
export function useExample(stack: string, name: string): void {
  const { config } = parse(fs.readFileSync(readStackFile(name).file, "utf8")) as { config: object };
  write(readStackFile(stack).file, config);
}

function write(file: string, settings: object): void {
  const document = parseDocument(fs.readFileSync(file, "utf8"));
  for (const [key, value] of Object.entries(settings)) document.setIn(["config", key], document.createNode(value));
  fs.writeFileSync(file, document.toString());
}

/**
 * Reads the project's settings in the stack's file, because some steps write others there. After the stack is destroyed,
 * those must not stay.
 *
 * @returns a function that restores them
 */
export function rememberSettings(file: string): () => void {
  const read = () => parseDocument(fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "");
  const before = read().get("config");
  return () => {
    if (!fs.existsSync(file)) return;
    const now = read();
    now.set("config", before ?? {});
    fs.writeFileSync(file, now.toString());
  };
}
