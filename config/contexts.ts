import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { isExecutable } from "../lib/files";
import { fileFields } from "../lib/kubeconfigFiles";
import { isMapping } from "../lib/mapping";
import { root } from "../lib/paths";
import { type ExistingSettings, RefusedError } from "./settings";

type Fields = Record<string, unknown>;

/** An entry of one of a kubeconfig's lists, and the directory that its relative paths start from. */
interface Found {
  name: string;
  entry: Fields;
  directory: string;
}

const lists = { contexts: "context", clusters: "cluster", users: "user" } as const;
type List = keyof typeof lists;

/**
 * The files that a cluster's kubeconfig is merged from. An empty $KUBECONFIG counts as unset, as with kubectl.
 *
 * @example kubeconfigFiles({ context: "a", kubeconfig: "~/east.yaml" }) // ["/home/alice/east.yaml"]
 */
export function kubeconfigFiles({ kubeconfig }: ExistingSettings): string[] {
  const split = (text = "") => text.split(path.delimiter).filter((file) => file !== "");
  const home = (file: string) => file.replace(/^~(?=\/|$)/, os.homedir());
  const set = split(kubeconfig).map((file) => path.resolve(root, home(file)));
  if (set.length > 0) return set;
  const variable = split(process.env.KUBECONFIG);
  return variable.length > 0 ? variable : [path.join(os.homedir(), ".kube", "config")];
}

/**
 * Extracts one context from the kubeconfig files, merged as kubectl does. So the state holds no credentials of other
 * clusters. The content of certificate files becomes part of the text. A `tokenFile` and an exec plugin stay, because
 * their results change.
 *
 * @throws RefusedError when a file cannot be read, or something that the context needs is missing
 */
export function readContext(cluster: string, settings: ExistingSettings): { text: string; server: string } {
  const refuse = (problem: string, next = `pulumi config set --path existing.${cluster}.context <context>`): never => {
    throw new RefusedError([
      `existing.${cluster}.context is ${JSON.stringify(settings.context)}; ${problem}. Next: ${next}`,
    ]);
  };
  const files = kubeconfigFiles(settings);
  const merged = merge(files, refuse);
  const pick = (list: List, name: unknown) => merged[list].find((one) => one.name === name);

  const context = pick("contexts", settings.context);
  if (!context) {
    const names = merged.contexts.map(({ name }) => name).join(", ");
    return refuse(`allowed: a context of ${files.join(", ")}: ${names || "there is none"}`);
  }
  const fields = context.entry.context as Fields;
  const part = (list: "clusters" | "users") => {
    const name = fields[lists[list]];
    return pick(list, name) ?? refuse(`no file of ${files.join(", ")} has its ${lists[list]} ${JSON.stringify(name)}`);
  };
  const [entry, user] = [part("clusters"), part("users")];
  const { server } = entry.entry.cluster as Fields;
  if (typeof server !== "string" || !/^https?:\/\//.test(server)) {
    return refuse(`the server of its cluster ${entry.name} is ${JSON.stringify(server)}, not a URL`);
  }
  const text = stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [withFiles(entry, "cluster", refuse)],
    users: [withCommand(withFiles(user, "user", refuse), user.directory, refuse)],
    contexts: [withoutNamespace(context.entry, fields)],
    "current-context": context.name,
  });
  return { text, server };
}

/** Why a cluster's context cannot be used. Empty if it can. */
export function contextProblems(cluster: string, settings: ExistingSettings): string[] {
  try {
    readContext(cluster, settings);
    return [];
  } catch (error) {
    if (error instanceof RefusedError) return error.problems;
    throw error;
  }
}

type Refuse = (problem: string, next?: string) => never;

/**
 * The first entry of a name wins, and a missing file counts as empty:
 * https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
 */
function merge(files: string[], refuse: Refuse): Record<List, Found[]> {
  const merged: Record<List, Found[]> = { contexts: [], clusters: [], users: [] };
  for (const file of files) {
    const config = readFile(file, refuse);
    for (const list of Object.keys(lists) as List[]) {
      const entries = config[list] ?? [];
      if (!Array.isArray(entries)) return refuse(`${list} in ${file} is not a list`, `repair ${file}`);
      for (const entry of entries as unknown[]) {
        if (!isMapping(entry) || typeof entry.name !== "string" || !isMapping(entry[lists[list]] ?? {})) {
          return refuse(`${list} in ${file} has an entry without name and ${lists[list]}`, `repair ${file}`);
        }
        entry[lists[list]] ??= {};
        merged[list].push({ name: entry.name, entry, directory: path.dirname(path.resolve(file)) });
      }
    }
  }
  return merged;
}

function readFile(file: string, refuse: Refuse): Fields {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? {} : refuse(`${file} cannot be read: ${message}`, `ls -ld ${file}`);
  }
  let config: unknown;
  try {
    config = parse(text) ?? {};
  } catch (error) {
    return refuse(`${file} is not YAML: ${(error as Error).message.split("\n")[0]}`, `repair ${file}`);
  }
  return isMapping(config) ? config : refuse(`${file} is not a kubeconfig`, `repair ${file}`);
}

/** Replaces each field that names a file by its twin with the content. A twin that is there wins, as with kubectl. */
function withFiles({ name, entry, directory }: Found, field: "cluster" | "user", refuse: Refuse): Fields {
  const fields = Object.entries(entry[field] as Fields).flatMap(([key, value]): [string, unknown][] => {
    if (!["tokenFile", ...fileFields].includes(key) || value === "") return [[key, value]];
    if ((entry[field] as Fields)[`${key}-data`]) return [];
    if (typeof value !== "string") return refuse(`${key} of ${name} is ${JSON.stringify(value)}, not a path`);
    const file = path.resolve(directory, value);
    try {
      const content = fs.readFileSync(file, "base64");
      // @kubernetes/client-node knows the field under the second name only (config_types.js, findToken).
      return key === "tokenFile" ? [key, "token-file"].map((one) => [one, file]) : [[`${key}-data`, content]];
    } catch (error) {
      return refuse(`${key} of ${name} cannot be read: ${(error as Error).message}`, `ls -l ${file}`);
    }
  });
  return { ...entry, [field]: Object.fromEntries(fields) };
}

/** An exec plugin runs on each machine. A command with a separator is relative to the kubeconfig's directory. */
function withCommand(entry: Fields, directory: string, refuse: Refuse): Fields {
  const user = entry.user as Fields;
  if (!isMapping(user.exec)) return entry;
  const { command, installHint } = user.exec;
  if (typeof command !== "string" || command === "") {
    return refuse(`the exec command of its user is ${JSON.stringify(command)}, not a program`);
  }
  const resolved = command.includes(path.sep) ? path.resolve(directory, command) : command;
  const candidates = (process.env.PATH ?? "").split(path.delimiter).map((one) => path.resolve(one, resolved));
  if (!candidates.some(isExecutable)) {
    const hint = typeof installHint === "string" ? installHint.trim() : `install ${command}`;
    return refuse(`its credentials come from ${resolved}, which is not an installed program`, hint);
  }
  return { ...entry, user: { ...user, exec: { ...user.exec, command: resolved } } };
}

/**
 * Objects without a namespace go to `default`. The kubernetes provider would take the context's namespace instead.
 * Other contexts stay as they are: a changed text updates the provider.
 */
function withoutNamespace(entry: Fields, { namespace, ...fields }: Fields): Fields {
  return namespace === undefined || namespace === "default" ? entry : { ...entry, context: fields };
}
