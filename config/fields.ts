import { type ClusterManifests, type Manifest, placeOf } from "./manifests";
import { RefusedError } from "./settings";

/** A field of a model in @kubernetes/client-node, which is generated from Kubernetes' OpenAPI document. */
interface Field {
  baseName: string;
  /** Examples: `string`, `V1PodSpec`, `Array<V1Container>`, `{ [key: string]: string; }` */
  type: string;
  format: string;
}
type Fault = { field: (string | number)[]; problem: string };

/** The Kubernetes release whose fields are known: that of @kubernetes/client-node. */
const release = "1.34";

/**
 * Refuses fields that Kubernetes does not know, and values of a wrong type, before a cluster is made. Custom resources
 * are not checked.
 *
 * An existing cluster may know newer fields, and its API server checks every preview. So there only the types count.
 *
 * @throws RefusedError with the file and line of each
 * @example await refuseFaultyFields(settings.manifests, "k3d");
 */
export async function refuseFaultyFields(manifests: ClusterManifests, runtime: string): Promise<void> {
  const problems: string[] = [];
  for (const object of Object.values(manifests).flat()) {
    const model = modelOf(object);
    if (!(await fieldsOf(model))) continue;
    for (const { field, problem } of await faultsIn(object, model, [])) {
      if (problem === unknown && runtime === "existing") continue;
      problems.push(`${placeOf(object, field)}: ${object.kind} ${object.metadata.name}: ${shown(field)} ${problem}`);
    }
  }
  if (problems.length > 0) throw new RefusedError(problems.map((problem) => `${problem}. Next: edit that line`));
}

const unknown = `is no field of Kubernetes ${release}`;

/** Models whose names tell two API groups apart. */
const ambiguous: Record<string, string> = {
  "v1 Event": "CoreV1Event",
  "events.k8s.io/v1 Event": "EventsV1Event",
  "resource.k8s.io/v1 ResourceClaim": "ResourceV1ResourceClaim",
};

function modelOf({ apiVersion, kind }: Manifest): string {
  const [version = "", group = ""] = apiVersion.split("/").reverse();
  // A custom resource may have the kind of a built-in one. Kubernetes' own groups have no dot, or end in .k8s.io.
  if (group.includes(".") && !group.endsWith(".k8s.io")) return "";
  return ambiguous[`${apiVersion} ${kind}`] ?? `${version[0]?.toUpperCase()}${version.slice(1)}${kind}`;
}

const known = new Map<string, Promise<Field[] | undefined>>();

/** Loads the file of one model: all of them together take a third of a second. */
function fieldsOf(model: string): Promise<Field[] | undefined> {
  const loaded =
    known.get(model) ??
    (/^[A-Z]\w+$/.test(model)
      ? import(`@kubernetes/client-node/dist/gen/models/${model}.js`).then(
          (module: Record<string, { attributeTypeMap: Field[] } | undefined>) => module[model]?.attributeTypeMap,
          (error: NodeJS.ErrnoException) => {
            if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
            return undefined;
          },
        )
      : Promise.resolve(undefined));
  known.set(model, loaded);
  return loaded;
}

/** Fields, and mappings of them, whose type is text but which Kubernetes takes as numbers too. */
const quantities = new Set(["sizeLimit", "divisor", "averageValue"]);
const quantityMappings = new Set([
  ...["limits", "requests", "capacity", "allocatable", "hard", "podFixed", "overhead"],
  ...["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"],
]);

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
function isQuantity(field: (string | number)[]): boolean {
  const [parent, name] = field.slice(-2).map(String);
  // A metric's target, not an environment variable.
  if (name === "value") return parent === "target";
  return quantities.has(name ?? "") || quantityMappings.has(parent ?? "");
}

async function faultsIn(value: unknown, type: string, field: (string | number)[]): Promise<Fault[]> {
  // The API server leaves out fields that are null.
  if (value === null || value === undefined || type === "any") return [];
  const wrong = (allowed: string): Fault[] => [
    { field, problem: `is ${JSON.stringify(value)?.slice(0, 60)}; allowed: ${allowed}` },
  ];
  const inner = /^(?:Array<(.+)>|\{ \[key: string\]: (.+); \})$/.exec(type);
  if (inner?.[1] !== undefined) {
    if (!Array.isArray(value)) return wrong("a list");
    return (await Promise.all(value.map((item, i) => faultsIn(item, inner[1] as string, [...field, i])))).flat();
  }
  const entries = typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (inner?.[2] !== undefined) {
    if (!entries) return wrong("a mapping");
    return (await Promise.all(entries.map(([key, one]) => faultsIn(one, inner[2] as string, [...field, key])))).flat();
  }
  switch (type) {
    case "boolean":
      return typeof value === "boolean" ? [] : wrong("true, false");
    case "integer":
      return Number.isInteger(value) ? [] : wrong("a whole number");
    case "number":
      return typeof value === "number" ? [] : wrong("a number");
    case "IntOrString":
      return typeof value === "string" || Number.isInteger(value) ? [] : wrong("a whole number, or text");
    case "string":
    case "Date":
      return typeof value === "string" || (typeof value === "number" && isQuantity(field))
        ? []
        : wrong("text: quote it");
  }
  const fields = await fieldsOf(type);
  // Some models are names for text or a number.
  if (!fields) return [];
  if (!entries) return wrong("a mapping");
  const faults = entries.map(async ([key, one]): Promise<Fault[]> => {
    const found = fields.find(({ baseName }) => baseName === key);
    return found
      ? faultsIn(one, /^int\d/.test(found.format) ? "integer" : found.type, [...field, key])
      : [{ field: [...field, key], problem: unknown }];
  });
  return (await Promise.all(faults)).flat();
}

/** Example: `spec.containers[0].image` */
function shown(field: (string | number)[]): string {
  return field.map((name) => (typeof name === "number" ? `[${name}]` : `.${name}`)).join("").replace(/^\./, ""); // prettier-ignore
}
