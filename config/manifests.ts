import * as fs from "node:fs";
import * as path from "node:path";
import { type Alias, type Document, LineCounter, parseAllDocuments, visit } from "yaml";

/** One Kubernetes object of a manifest or a rendered chart. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [field: string]: unknown;
}

/** Other tools read a user-defined order from this annotation: https://github.com/kubernetes-sigs/cli-utils */
const explicitOrder = "config.kubernetes.io/depends-on";

/** The objects of manifests/<cluster>/, by cluster. */
export type ClusterManifests = Record<string, Manifest[]>;

/**
 * Reads every YAML file below `directory/<cluster>/` for each cluster, in the order of their names.
 *
 * @returns the objects, and one complaint (with file and line) for each document that is not one
 */
export function readManifests(
  directory: string,
  clusters: string[],
): { manifests: ClusterManifests; complaints: string[] } {
  const manifests: ClusterManifests = Object.fromEntries(clusters.map((name) => [name, []]));
  if (!fs.existsSync(directory) || !fs.statSync(directory).isDirectory()) {
    return { manifests, complaints: [`it is not a directory. Next: pulumi config set manifests <directory>`] };
  }
  const complaints: string[] = [];
  for (const entry of fs.readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    const objects = Object.hasOwn(manifests, entry.name) ? manifests[entry.name] : undefined;
    if (objects === undefined) {
      const known = clusters.join(", ");
      complaints.push(
        `its folder ${entry.name} matches no cluster; allowed: ${known}. Next: rename or remove the folder`,
      );
      continue;
    }
    const folder = path.join(directory, entry.name);
    const seen = new Map<string, string>();
    for (const file of fs
      .readdirSync(folder)
      .sort()
      .filter((file) => /\.ya?ml$/.test(file))) {
      for (const { object, line, problem } of readFile(path.join(folder, file))) {
        const where = `${path.join(entry.name, file)}:${line}`;
        if (object === undefined) {
          complaints.push(`${where}: ${problem}. Next: edit that line`);
          continue;
        }
        const id = `${object.kind} ${object.metadata.namespace ?? "default"}/${object.metadata.name}`;
        const twin = seen.get(id);
        if (twin !== undefined)
          complaints.push(`${where}: ${id} is already defined at ${twin}. Next: remove one of them`);
        seen.set(id, where);
        objects.push(object);
      }
    }
  }
  return { manifests, complaints };
}

type Finding = { object?: Manifest; line: number; problem?: string };

function readFile(file: string): Finding[] {
  const lines = new LineCounter();
  return [...parseAllDocuments(fs.readFileSync(file, "utf8"), { lineCounter: lines })].flatMap(
    (document): Finding[] => {
      const at = (offset: number) => lines.linePos(offset).line;
      const error = document.errors[0];
      if (error) return [{ line: at(error.pos[0]), problem: error.message.split("\n")[0] }];
      const alias = danglingAlias(document);
      if (alias)
        return [{ line: at(alias.range?.[0] ?? 0), problem: `alias *${alias.source} has no anchor: quote it` }];
      const object = document.toJS() as Manifest | null;
      if (object === null) return [];
      const line = at(document.contents?.range?.[0] ?? 0);
      if (typeof object !== "object" || Array.isArray(object))
        return [{ line, problem: "a Kubernetes object is expected" }];
      for (const field of ["apiVersion", "kind"]) {
        if (typeof object[field] !== "string") return [{ line, problem: `${field} is missing` }];
      }
      if (object.kind.endsWith("List") && Array.isArray(object.items))
        return [{ line, problem: `a ${object.kind} contains several objects: write each as a separate document` }];
      if (typeof object.metadata?.name !== "string") return [{ line, problem: "metadata.name is missing" }];
      if (object.metadata.annotations?.[explicitOrder] !== undefined)
        return [{ line, problem: `remove the annotation ${explicitOrder}: components/objects.ts sets the order` }];
      return [{ object, line }];
    },
  );
}

/** An alias without its anchor, such as an unquoted *.example.com. The parser accepts it. */
function danglingAlias(document: Document): Alias | undefined {
  let found: Alias | undefined;
  visit(document, {
    Alias(_, alias) {
      if (!alias.resolve(document)) found ??= alias;
    },
  });
  return found;
}
