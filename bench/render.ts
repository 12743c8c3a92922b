import * as fs from "node:fs";
import * as path from "node:path";
import { type PackedDefinitions, unpack } from "../components/stripCrds";

/** Groups of objects that the shell script applies together, with a pattern for their URNs. The first match counts. */
const phases: { name: string; has: RegExp }[] = [
  { name: "50-access", has: /\$mesh:index:RemoteAccess\$/ },
  { name: "61-link", has: /:Link::/ },
  { name: "60-credentials", has: /\$mesh:index:MulticlusterLink\$/ },
  { name: "70-workloads", has: /::mesh-[^:]+-workloads:/ },
  { name: "30-control-plane", has: /::mesh-[^:]+-control-plane:/ },
  { name: "40-multicluster", has: /::mesh-[^:]+-multicluster:/ },
  { name: "10-namespaces", has: /./ },
];

interface Resource {
  urn: string;
  type: string;
  provider?: string;
  inputs?: Record<string, unknown>;
}

interface RenderedObject {
  kind?: unknown;
  [field: string]: unknown;
}

/** Objects by cluster and phase. */
export type Rendered = Record<string, Record<string, RenderedObject[]>>;

/**
 * Extracts a stack's Kubernetes objects from its state, so that the shell script creates the same ones.
 *
 * @param state output of `pulumi stack export --show-secrets`
 */
export function render(state: string): Rendered {
  const { deployment } = JSON.parse(state) as { deployment: { resources: Resource[] } };
  const rendered: Rendered = {};
  for (const { urn, type, provider, inputs } of deployment.resources) {
    const definitionsOf = /::mesh-([^:]+)-crds$/.exec(urn)?.[1];
    if (definitionsOf && type === "command:local:Command") {
      const packed = JSON.parse(String(inputs?.stdin)) as PackedDefinitions;
      const objects = Object.values(unpack(packed)).map((text) => JSON.parse(text) as RenderedObject);
      (rendered[definitionsOf] ??= {})["20-crds"] = objects;
    }
    const cluster = /::mesh-([^:]+)::[^:]+$/.exec(provider ?? "")?.[1];
    if (!type.startsWith("kubernetes:") || !cluster || !inputs?.kind) continue;
    const phase = phases.find(({ has }) => has.test(urn))?.name ?? "";
    const object = plain(inputs) as RenderedObject;
    ((rendered[cluster] ??= {})[phase] ??= []).push(object);
  }
  for (const byPhase of Object.values(rendered)) {
    // Patches are here too: server-side apply of a partial object patches it. Namespaces come before their contents.
    const isNamespace = ({ kind }: RenderedObject) => (kind === "Namespace" ? 0 : 1);
    byPhase["10-namespaces"]?.sort((a, b) => isNamespace(a) - isNamespace(b));
  }
  return rendered;
}

/** Writes `<directory>/<cluster>/<phase>.json`. Only the owner can read it, because it contains keys. */
export function write(rendered: Rendered, directory: string): void {
  for (const [cluster, byPhase] of Object.entries(rendered)) {
    fs.mkdirSync(path.join(directory, cluster), { recursive: true, mode: 0o700 });
    for (const [phase, items] of Object.entries(byPhase)) {
      const list = JSON.stringify({ apiVersion: "v1", kind: "List", items }, null, 1);
      fs.writeFileSync(path.join(directory, cluster, `${phase}.json`), list, { mode: 0o600 });
    }
  }
}

/** Marks an encrypted value. Its plain text is JSON: https://www.pulumi.com/docs/iac/concepts/secrets */
const signature = "4dabf18193072939515e22adb298388d";

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const { plaintext, ...fields } = value as Record<string, unknown>;
  if (signature in fields && typeof plaintext === "string") return plain(JSON.parse(plaintext));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
