import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { type Document, isMap, isSeq, parseDocument, type YAMLSeq } from "yaml";
import { exists, writePrivately } from "./files";
import { fileFields } from "./kubeconfigFiles";
import { exclusively } from "./locks";
import { UserError } from "./run";

/** The lists of a kubeconfig. */
const lists = ["clusters", "users", "contexts"] as const;

interface Entry {
  name: string;
  [field: string]: unknown;
}
type Config = Record<(typeof lists)[number], Entry[]>;

/** The kubeconfig that kubectl writes to: the first one of $KUBECONFIG, else ~/.kube/config. */
export function userKubeconfig(): string {
  const first = (process.env.KUBECONFIG ?? "").split(path.delimiter).find((file) => file !== "");
  return first ?? path.join(os.homedir(), ".kube", "config");
}

/**
 * Names everything in a one-cluster kubeconfig after the context, and inlines the files that it refers to. The state
 * must not depend on files of one machine.
 *
 * @param text a kubeconfig with one cluster, one user and one context
 */
export async function standalone(text: string, context: string): Promise<string> {
  const config = parseDocument(text).toJS() as Config;
  const [cluster, user] = [config.clusters[0], config.users[0]];
  if (!cluster || !user) throw new Error("a kubeconfig with a cluster and a user is expected");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: context, cluster: await withFiles(cluster.cluster as Fields) }],
    users: [{ name: context, user: await withFiles(user.user as Fields) }],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    "current-context": context,
  });
}

type Fields = Record<string, unknown>;

/** Replaces each field that names a file by its `-data` twin. */
async function withFiles(fields: Fields): Promise<Fields> {
  const entries = Object.entries(fields).map(async ([key, value]) => {
    if (!fileFields.includes(key)) return [key, value];
    return [`${key}-data`, await fs.readFile(String(value), "base64")];
  });
  return Object.fromEntries((await Promise.all(entries)) as [string, unknown][]);
}

/** Adds one cluster's context to the user's kubeconfig. Comments, other contexts and the current one stay. */
export function addContext(text: string): Promise<void> {
  const added = JSON.parse(text) as Config;
  return edit((document) => {
    for (const list of lists) {
      const entries = listIn(document, list);
      for (const entry of added[list]) {
        remove(entries, entry.name);
        entries.add(document.createNode(entry));
      }
    }
  });
}

/** Removes one context from the user's kubeconfig, with the cluster and user of the same name. */
export function removeContext(context: string): Promise<void> {
  return edit((document) => {
    for (const list of lists) remove(listIn(document, list), context);
    if (document.get("current-context") === context) document.delete("current-context");
  });
}

/**
 * Edits the file under the lock that kubectl itself takes (`<file>.lock`). Without it, two programs that edit the file
 * side by side lose one of the changes, as k3d's own parallel merges do.
 */
async function edit(change: (document: Document) => void): Promise<void> {
  const file = await fs.realpath(userKubeconfig()).catch(() => userKubeconfig());
  const refuse = (problem: string, next: string): never => {
    throw new UserError(`your kubeconfig ${file} ${problem}. Next: ${next}`);
  };
  const work = async () => {
    const text = (await exists(file)) ? await fs.readFile(file, "utf8") : "apiVersion: v1\nkind: Config\n";
    const document = parseDocument(text);
    if (document.errors[0]) refuse(`is not YAML: ${document.errors[0].message}`, "repair the file");
    if (document.contents && !isMap(document.contents)) refuse("is not a kubeconfig", "repair the file");
    for (const list of lists) {
      if (document.get(list) && !isSeq(document.get(list)))
        refuse(`has ${list} that are not a list`, "repair the file");
    }
    change(document);
    await writePrivately(file, document.toString({ lineWidth: 0 }));
  };
  await exclusively(file, work).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall === undefined) throw error;
    refuse(
      `cannot be changed: ${error.message}`,
      "make it a file that you may write, or set KUBECONFIG to another one",
    );
  });
}

function listIn(document: Document, list: string): YAMLSeq {
  const found = document.get(list) as YAMLSeq | null | undefined;
  if (found) return found;
  const made = document.createNode([]);
  document.set(list, made);
  return document.get(list) as YAMLSeq;
}

function remove(entries: YAMLSeq, name: string): void {
  entries.items = entries.items.filter((entry) => !(isMap(entry) && entry.get("name") === name));
  // Otherwise a list written as `[]` would stay in that style.
  entries.flow = false;
}
