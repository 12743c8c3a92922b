import * as fs from "node:fs";
import * as path from "node:path";
import { parse, parseDocument } from "yaml";
import type { Runtime } from "../config/settings";
import { stackNameProblem } from "../config/stackName";
import { root, stateDirectory } from "../lib/paths";
import { hasLogin } from "../tools/pulumiHome";
import { capture, UserError } from "../lib/run";
import { toolsFor } from "../tools/tools";

/** The project's name in Pulumi.yaml. */
export const project = "mesh";

/** Directory for copies of committed stack files: see configFlags. */
export const copies = path.join(stateDirectory, "stacks");

/** A stack's own settings, with those of Pulumi.yaml as defaults. */
export interface StackSettings {
  /** Path of Pulumi.<stack>.yaml. It need not exist. */
  file: string;
  get: (key: string) => unknown;
}

/** Reads the settings that the npm scripts need before the program runs. The program validates them later. */
export function readStackFile(stack: string): StackSettings {
  const file = path.join(root, `Pulumi.${stack}.yaml`);
  const own = readConfig(file);
  const defaults = readConfig(path.join(root, "Pulumi.yaml"));
  return {
    file,
    get: (key) => {
      if (own[`${project}:${key}`] !== undefined) return own[`${project}:${key}`];
      const entry = defaults[key] ?? defaults[`${project}:${key}`];
      return typeof entry === "object" && entry !== null && "default" in entry ? entry.default : entry;
    },
  };
}

function readConfig(file: string): Record<string, unknown> {
  if (!fs.existsSync(file)) return {};
  return (parse(fs.readFileSync(file, "utf8")) as { config?: Record<string, unknown> } | null)?.config ?? {};
}

/**
 * The stack's runtime, or the one asked for on the command line when that does not contradict the stack's file.
 *
 * @throws UserError for an unknown runtime, for a contradiction, and for a name that the runtime's clusters cannot have
 */
export function chooseRuntime(stack: string, asked?: string): Runtime {
  const settings = readStackFile(stack);
  const runtimes = Object.keys(toolsFor) as Runtime[];
  const runtime = runtimes.find((known) => known === (asked ?? settings.get("runtime")));
  if (!runtime) {
    const value = String(asked ?? settings.get("runtime"));
    throw new UserError(
      `runtime is ${value}; allowed: ${runtimes.join(", ")}. Next: npm start -- ${stack} --runtime kwok`,
    );
  }
  const clusters = settings.get("clusters");
  const problem =
    runtime !== "existing" && stackNameProblem(stack, Array.isArray(clusters) ? clusters.map(String) : []);
  if (problem) throw new UserError(problem);
  if (runtime === settings.get("runtime")) return runtime;
  if (fs.existsSync(settings.file) && readConfig(settings.file)[`${project}:runtime`] !== undefined) {
    throw new UserError(
      `--runtime is ${runtime}, but stack ${stack} has ${String(settings.get("runtime"))} (Pulumi.${stack}.yaml). ` +
        `Next: take a stack of your own, npm start -- ${process.env.USER ?? "alice"} --runtime ${runtime}`,
    );
  }
  const document = parseDocument(fs.existsSync(settings.file) ? fs.readFileSync(settings.file, "utf8") : "");
  document.setIn(["config", `${project}:runtime`], runtime);
  fs.writeFileSync(settings.file, document.toString());
  return runtime;
}

/**
 * Flags for `pulumi up` and `destroy`. Pulumi writes the passphrase's salt into the stack's file. To keep a committed
 * file unchanged, pulumi gets a copy in `.state/`.
 */
export async function configFlags(stack: string): Promise<string[]> {
  const { file } = readStackFile(stack);
  if (hasLogin() || !(await isCommitted(file))) return [];
  await removeSalt(file);
  fs.mkdirSync(copies, { recursive: true });
  const copy = path.join(copies, path.basename(file));
  fs.copyFileSync(file, copy);
  return ["--config-file", copy];
}

async function isCommitted(file: string): Promise<boolean> {
  return (await capture("git", ["ls-files", "--error-unmatch", file])).code === 0;
}

/** Removes the salt that a pulumi run by hand put into a committed file, if nothing else in the file was changed. */
async function removeSalt(file: string): Promise<void> {
  const { code, stdout } = await capture("git", ["show", `HEAD:./${path.basename(file)}`]);
  const text = fs.readFileSync(file, "utf8");
  if (code === 0 && text !== stdout && text.replace(/^encryptionsalt: .*\n/m, "") === stdout) {
    fs.writeFileSync(file, stdout);
  }
}
