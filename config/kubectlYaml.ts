import {
  type Document,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Pair,
  parseAllDocuments,
  type ParsedNode,
  type Scalar,
  type ScalarTag,
  visit,
} from "yaml";

/** One YAML document as kubectl reads it. */
export interface YamlDocument {
  value: unknown;
  /** The line of a field, or of the nearest field around it. Example: `line(["metadata", "labels"])` */
  line: (path: readonly (string | number)[]) => number;
}

export interface YamlProblem {
  line: number;
  problem: string;
}

/** Documents with fewer aliases than this stay small. The parser's own limit, 100, is less than a shared label set needs. */
const maxAliasCount = 100_000;

/**
 * Reads YAML or JSON as kubectl does, which is neither YAML 1.1 nor 1.2: `0400` and `0o400` are octal, `yes` and `on`
 * are true, times and dates are text. The rules are those of sigs.k8s.io/yaml 1.6, which uses go.yaml.in/yaml/v2
 * (resolve.go). Keys that occur twice are refused: kubectl would use the last one in silence.
 *
 * @example readYaml("mode: 0400\n").documents[0]?.value // { mode: 256 }
 */
export function readYaml(text: string): { documents: YamlDocument[]; problems: YamlProblem[] } {
  const lines = new LineCounter();
  // A byte order mark begins a file, also where files were put together.
  const clean = text.replace(/^\uFEFF/gm, "");
  const options = { lineCounter: lines, schema: "failsafe", customTags, merge: true, resolveKnownTags: false } as const;
  const documents: YamlDocument[] = [];
  const problems: YamlProblem[] = [];
  const textLines = clean.split("\n");
  for (const document of parseAllDocuments(clean, options)) {
    const lineOf = (offset: number) => lines.linePos(offset).line;
    const fault = document.errors[0]
      ? { offset: document.errors[0].pos[0], problem: withoutPlace(document.errors[0].message) }
      : faultIn(document);
    if (fault) {
      const line = lineOf(fault.offset);
      problems.push({ line, problem: explained(fault.problem, textLines[line - 1] ?? "") });
      continue;
    }
    try {
      const value: unknown = document.toJS({ maxAliasCount });
      if (value !== null) documents.push({ value, line: (path) => lineOf(offsetOf(document, path)) });
    } catch (error) {
      problems.push({ line: lineOf(document.range?.[0] ?? 0), problem: (error as Error).message });
    }
  }
  return { documents, problems };
}

const number = (value: number, text: string): number => {
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new Error(`${text} is larger than this program can hold`);
  return value;
};

/** Go's `strconv.ParseInt` with base 0, after the underscores are gone. */
function integer(text: string): number {
  const [, sign, digits = ""] = /^([-+]?)(.*)$/.exec(text.replaceAll("_", "")) ?? [];
  const isOctal = /^0[0-7]+$/.test(digits);
  const value = isOctal ? Number.parseInt(digits, 8) : Number(digits.toLowerCase());
  return number(sign === "-" && value !== 0 ? -value : value, text);
}

function float(text: string): number | string {
  const value = Number(text.replaceAll("_", ""));
  return Number.isFinite(value) ? number(value, text) : text;
}

const customTags: ScalarTag[] = [
  {
    tag: "tag:yaml.org,2002:null",
    default: true,
    test: /^(?:~|null|Null|NULL)?$/,
    resolve: () => null,
  },
  {
    tag: "tag:yaml.org,2002:bool",
    default: true,
    test: /^(?:[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
    resolve: (text) => /^(?:y|yes|true|on)$/i.test(text),
  },
  {
    tag: "tag:yaml.org,2002:int",
    default: true,
    test: /^[-+]?(?:0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*|0[bB]_*[01][01_]*|0[oO]_*[0-7][0-7_]*|0[0-7_]*|[1-9][0-9_]*)$/,
    resolve: integer,
  },
  {
    tag: "tag:yaml.org,2002:float",
    default: true,
    test: /^[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/,
    resolve: float,
  },
  {
    tag: "tag:yaml.org,2002:float",
    default: true,
    test: /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    resolve: (text) => {
      throw new Error(`${text} is a number that JSON cannot hold: quote it`);
    },
  },
  {
    tag: "tag:yaml.org,2002:binary",
    resolve: (text) => Buffer.from(text, "base64").toString(),
  },
];

type Fault = { offset: number; problem: string };

/** The place is said once, by the caller. */
const withoutPlace = (message: string) => message.replace(/( at line \d+, column \d+)?:?\n[^]*$/, "");

/** What the parser accepts, but kubectl does not, or not as meant. */
function faultIn(document: Document.Parsed): Fault | undefined {
  let found: Fault | undefined;
  const report = (node: { range?: readonly number[] | null }, problem: string) => {
    found ??= { offset: node.range?.[0] ?? 0, problem };
    return visit.BREAK;
  };
  visit(document, {
    Alias: (_, alias) =>
      alias.resolve(document) ? undefined : report(alias, `alias *${alias.source} has no anchor: quote it`),
    Pair: (_, { key }: Pair) => (isMap(key) ? report(key, "a mapping cannot be a key") : undefined),
    Scalar: (key, scalar) =>
      hasOuterSpace(scalar, key === "key")
        ? report(scalar, `${JSON.stringify(scalar.source)} has a no-break space (U+00A0) in place of a space`)
        : undefined,
  });
  return found;
}

/** Editors and web pages put no-break spaces in place of spaces. YAML takes them for text. */
function hasOuterSpace({ type, source = "" }: Scalar, isKey: boolean): boolean {
  return type === "PLAIN" && (isKey ? source.includes("\u00A0") : /^\u00A0|\u00A0$/.test(source));
}

/** Adds the likely reason to a message of the parser. */
function explained(problem: string, line: string): string {
  if (line.includes("{{"))
    return `${problem}. The {{ }} of a template is not rendered: render it, as helm template does`;
  if (line.includes("\u00A0") && !problem.includes("U+00A0"))
    return `${problem}. The line has a no-break space (U+00A0): replace it by a space`;
  return problem;
}

function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as ParsedNode | undefined;
    if (isNode(node) && node.range && !(isScalar(node) && node.source === "")) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}
