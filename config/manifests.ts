import * as fs from "node:fs";
import * as path from "node:path";
import { isMapping } from "../lib/mapping";
import { readYaml, type YamlDocument } from "./kubectlYaml";
import { findManifests, isLeftover } from "./manifestFiles";

/** One Kubernetes object of a manifest or a rendered chart. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [field: string]: unknown;
}

/** Other tools read a user-defined order from this annotation: https://github.com/kubernetes-sigs/cli-utils */
const explicitOrder = "config.kubernetes.io/depends-on";

/** Namespaces that the charts make. */
const chartNamespaces = ["linkerd", "linkerd-multicluster"];

/** The objects of manifests/<cluster>/, by cluster. */
export type ClusterManifests = Record<string, Manifest[]>;

type FieldPath = readonly (string | number)[];

/** Where each object was read. */
const places = new WeakMap<Manifest, (field: FieldPath) => string>();

/**
 * Where an object of a manifest, or one of its fields, stands.
 *
 * @example placeOf(service, ["spec", "ports", 0]) // "west/nginx.yaml:12"
 */
export function placeOf(object: Manifest, field: FieldPath = []): string {
  return places.get(object)?.(field) ?? `${object.kind} ${object.metadata.name}`;
}

/**
 * Reads the manifests below `directory/<cluster>/` for each cluster, as `kubectl apply --recursive -f` would.
 *
 * @returns the objects; one complaint, with file and line, for everything that cannot be read; and the files that are
 *   no manifests
 */
export function readManifests(
  directory: string,
  clusters: string[],
): { manifests: ClusterManifests; complaints: string[]; ignored: string[] } {
  const manifests: ClusterManifests = Object.fromEntries(clusters.map((name) => [name, []]));
  const complaints: string[] = [];
  const ignored: string[] = [];
  const names = namesIn(directory);
  if (names === undefined) {
    const next = "pulumi config set manifests <directory>";
    return { manifests, complaints: [`it is not a directory that can be read. Next: ${next}`], ignored };
  }
  for (const name of names.filter((name) => !isLeftover(name))) {
    const isFolder = fs.statSync(path.join(directory, name), { throwIfNoEntry: false })?.isDirectory() ?? false;
    const objects = Object.hasOwn(manifests, name) ? manifests[name] : undefined;
    const known = clusters.join(", ");
    if (objects !== undefined && !isFolder) {
      complaints.push(`its entry ${name} is a file or a broken link; allowed: a folder. Next: rename or remove it`);
    } else if (objects === undefined && isFolder) {
      complaints.push(`its folder ${name} matches no cluster; allowed: ${known}. Next: rename or remove the folder`);
    } else if (objects === undefined) {
      if (/\.(?:ya?ml|json)$/i.test(name))
        complaints.push(`its file ${name} is in no cluster's folder; allowed: folders ${known}. Next: move it`);
    } else {
      const found = findManifests(directory, name);
      ignored.push(...found.ignored);
      complaints.push(...found.complaints);
      const read = found.texts.flatMap(({ file, text }) => readFile(file, text));
      for (const finding of [...read, ...twinsIn(read)]) {
        if ("problem" in finding) complaints.push(`${finding.place}: ${finding.problem}. Next: edit that line`);
        else objects.push(finding.object);
      }
    }
  }
  return { manifests, complaints, ignored };
}

function namesIn(directory: string): string[] | undefined {
  try {
    return fs.readdirSync(directory).sort();
  } catch {
    return undefined;
  }
}

type Finding = { object: Manifest } | { place: string; problem: string };

function readFile(file: string, text: string): Finding[] {
  const { documents, problems } = readYaml(text);
  return [
    ...problems.map(({ line, problem }) => ({ line, finding: { place: `${file}:${line}`, problem } })),
    ...documents.map((document) => ({ line: document.line([]), finding: readDocument(file, document) })),
  ]
    .sort((a, b) => a.line - b.line)
    .flatMap(({ finding }) => finding);
}

/** The objects of a document: one, or those of a list. */
function readDocument(file: string, { value, line }: YamlDocument): Finding[] {
  const place = (field: FieldPath) => `${file}:${line(field)}`;
  if (!isMapping(value)) return [{ place: place([]), problem: "a Kubernetes object is expected" }];
  if (!Array.isArray(value.items)) return [readObject(value, place)];
  // kubectl takes everything with items for a list. Lists of one kind may leave out their items' kind.
  const { apiVersion, kind } = value;
  const implied = typeof kind === "string" && kind !== "List" ? { apiVersion, kind: kind.replace(/List$/, "") } : {};
  return value.items.map((item: unknown, i) => {
    const itemPlace = (field: FieldPath) => place(["items", i, ...field]);
    if (!isMapping(item)) return { place: itemPlace([]), problem: "a Kubernetes object is expected" };
    return readObject({ ...implied, ...item }, itemPlace);
  });
}

function readObject(fields: Record<string, unknown>, place: (field: FieldPath) => string): Finding {
  const refused = (problem: string, field: FieldPath = []): Finding => ({ place: place(field), problem });
  for (const field of ["apiVersion", "kind"]) {
    const value = fields[field];
    if (typeof value !== "string" || value === "") return refused(`${field} is missing`);
  }
  const object = fields as Manifest;
  if (!isMapping(object.metadata) || typeof object.metadata.name !== "string" || object.metadata.name === "")
    return refused("metadata.name is missing");
  const { name, namespace } = object.metadata;
  if (namespace !== undefined && typeof namespace !== "string")
    return refused(`metadata.namespace is ${JSON.stringify(namespace)}; allowed: text`, ["metadata", "namespace"]);
  for (const field of ["labels", "annotations"] as const) {
    const texts: unknown = object.metadata[field] ?? {};
    if (!isMapping(texts)) return refused(`metadata.${field} is no mapping`, ["metadata", field]);
    for (const [key, value] of Object.entries(texts)) {
      if (typeof value === "string") continue;
      const shown = JSON.stringify(value);
      return refused(`metadata.${field}.${key} is ${shown}; allowed: text, such as "${shown.replaceAll('"', "")}" in quotes`, ["metadata", field, key]); // prettier-ignore
    }
  }
  if (object.metadata.annotations?.[explicitOrder] !== undefined)
    return refused(`remove the annotation ${explicitOrder}: components/objects.ts sets the order`);
  if (object.apiVersion === "v1" && object.kind === "Namespace" && chartNamespaces.includes(name))
    return refused(`Namespace ${name} belongs to Linkerd's charts; allowed: other names`, ["metadata", "name"]);
  places.set(object, place);
  return { object };
}

/** Complains about each object that has the API group, kind, namespace and name of an earlier one. */
function twinsIn(findings: Finding[]): Finding[] {
  const seen = new Map<string, Manifest>();
  return findings.flatMap((finding): Finding[] => {
    if ("problem" in finding) return [];
    const { object } = finding;
    const { apiVersion, kind, metadata } = object;
    const group = apiVersion.includes("/") ? apiVersion.replace(/\/[^/]*$/, "") : "";
    const name = `${metadata.namespace ?? "default"}/${metadata.name}`;
    const twin = seen.get(`${group} ${kind} ${name}`);
    seen.set(`${group} ${kind} ${name}`, object);
    if (twin === undefined) return [];
    const problem = `${kind} ${name} is already defined at ${placeOf(twin)}: remove one of them`;
    return [{ place: placeOf(object), problem }];
  });
}
