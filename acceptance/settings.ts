import * as fs from "node:fs";
import * as path from "node:path";
import { parse, parseDocument } from "yaml";
import { root, stateDirectory } from "../lib/paths";
import { project, readStackFile } from "../stacks/stackFile";
import { NotRun } from "./runner";

/**
 * Gives the stack a flat network. Its manifests are copied, and each cluster's folder gets acceptance/manifests/ in
 * addition.
 */
export function useFlatNetwork(stack: string): void {
  const { get } = readStackFile(stack);
  const copy = path.join(stateDirectory, "acceptance", `${stack}-manifests`);
  fs.rmSync(copy, { recursive: true, force: true });
  fs.cpSync(path.resolve(root, String(get("manifests"))), copy, { recursive: true });
  for (const cluster of get("clusters") as string[]) {
    fs.cpSync(path.join(root, "acceptance/manifests"), path.join(copy, cluster), { recursive: true });
  }
  useSettings(stack, { [`${project}:network`]: "flat", [`${project}:manifests`]: path.relative(root, copy) });
}

/** The folders of examples/ that have a stack file. */
export function exampleNames(): string[] {
  return fs.readdirSync(path.join(root, "examples")).filter((name) => fs.existsSync(readStackFile(name).file));
}

/**
 * The settings of an example.
 *
 * @throws NotRun if it needs a checkout of linkerd2 that is not there
 */
export function exampleSettings(name: string): Record<string, unknown> {
  const { config } = parse(fs.readFileSync(readStackFile(name).file, "utf8")) as { config: Record<string, unknown> };
  const checkout = config[`${project}:linkerdCheckout`];
  if (checkout === undefined) return config;
  const directory = path.resolve(root, checkout as string);
  if (!fs.existsSync(directory)) throw new NotRun(`there is no checkout of linkerd2 in ${directory}`);
  // The program refuses a directory of charts beside it.
  return { ...config, [`${project}:chartDirectory`]: undefined };
}

/** Gives the stack these settings, besides its own. A setting with the value undefined is removed. */
export function useSettings(stack: string, settings: Record<string, unknown>): void {
  const { file } = readStackFile(stack);
  const document = parseDocument(fs.readFileSync(file, "utf8"));
  for (const [key, value] of Object.entries(settings)) {
    if (value === undefined) document.deleteIn(["config", key]);
    else document.setIn(["config", key], document.createNode(value));
  }
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
