/** The contents of manifests/<cluster>/: read whole, or refused with file and line. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, beforeEach, test } from "node:test";
import fc from "fast-check";
import { readManifests } from "../../config/manifests";
import { checkSettings, RefusedError } from "../../config/settings";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "manifests-test-"));
const directory = path.join(root, "manifests");
beforeEach(() => fs.rmSync(directory, { recursive: true, force: true }));
after(() => fs.rmSync(root, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    fs.writeFileSync(path.join(directory, file), text);
  }
}

/** A ConfigMap of five lines: the next document in the file begins at line 6. */
const good = ["apiVersion: v1", "kind: ConfigMap", "metadata:", "  name: good", "data: {a: b}", ""].join("\n");

interface BadFile {
  title: string;
  text: string;
  line: number;
  problem: RegExp;
}

const badFiles: BadFile[] = [
  {
    title: "a tab as indentation",
    text: "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: x\n",
    line: 4,
    problem: /tab/i,
  },
  { title: "a list that is never closed", text: "apiVersion: v1\nkind: [ConfigMap\n", line: 3, problem: /./ },
  { title: "a key twice", text: "apiVersion: v1\nkind: ConfigMap\nkind: Secret\n", line: 3, problem: /unique/ },
  { title: "two colons", text: "apiVersion: v1\nkind: Config: Map\n", line: 2, problem: /nested mappings/i },
  { title: "an error in the second object", text: `${good}---\napiVersion: v1\nkind: a: b\n`, line: 8, problem: /./ },
  {
    title: "a host name that YAML takes for an alias",
    text: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  host: *.example.com\n",
    line: 5,
    problem: /alias/i,
  },
  { title: "a list", text: "# a list\n- apiVersion: v1\n", line: 2, problem: /a Kubernetes object is expected/ },
  { title: "plain text", text: "hello\n", line: 1, problem: /a Kubernetes object is expected/ },
  { title: "no apiVersion", text: "kind: ConfigMap\nmetadata: {name: x}\n", line: 1, problem: /apiVersion is missing/ },
  { title: "no kind", text: `${good}---\napiVersion: v1\n`, line: 7, problem: /kind is missing/ },
  { title: "a kind that is no text", text: "apiVersion: v1\nkind: 5\n", line: 1, problem: /kind is missing/ },
  { title: "no metadata", text: "apiVersion: v1\nkind: ConfigMap\n", line: 1, problem: /metadata\.name is missing/ },
  {
    title: "a bad object in a list",
    text: `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {kind: ConfigMap}\n`,
    line: 5,
    problem: /apiVersion is missing/,
  },
  {
    title: "a template that is not rendered",
    text: "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n",
    line: 4,
    problem: /The \{\{ \}\} of a template is not rendered/,
  },
  {
    title: "a control structure of a template",
    text: "apiVersion: v1\n{{- if .Values.x }}\nkind: ConfigMap\n{{- end }}\n",
    line: 2,
    problem: /The \{\{ \}\} of a template is not rendered/,
  },
  {
    title: "a no-break space as indentation",
    text: "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\u00A0 name: x\n",
    line: 4,
    problem: /no-break space \(U\+00A0\)/,
  },
  {
    title: "a no-break space after a value",
    text: "apiVersion: v1\nkind: ConfigMap\u00A0\nmetadata: {name: x}\n",
    line: 2,
    problem: /no-break space \(U\+00A0\)/,
  },
  {
    title: "a label that is no text",
    text: "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n  labels:\n    mirror.linkerd.io/exported: true\n",
    line: 6,
    problem: /metadata\.labels\.mirror\.linkerd\.io\/exported is true; allowed: text, such as "true" in quotes/,
  },
  {
    title: "an annotation whose key and value YAML takes for booleans",
    text: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  annotations: {on: yes}\n",
    line: 5,
    problem: /metadata\.annotations\.true is true; allowed: text/,
  },
  {
    title: "a number that JSON lacks",
    text: "apiVersion: v1\nx: .inf\n",
    line: 2,
    problem: /JSON cannot hold: quote it$|quote it\. Next/,
  },
  {
    title: "a number with too many digits",
    text: "x: 9007199254740993\n",
    line: 1,
    problem: /larger than this program can hold/,
  },
  {
    title: "a namespace of Linkerd's charts",
    text: "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: linkerd\n",
    line: 4,
    problem: /belongs to Linkerd's charts/,
  },
  {
    title: "an order of its own",
    text: "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {config.kubernetes.io/depends-on: /Namespace/y}}\n",
    line: 1,
    problem: /remove the annotation .*depends-on/,
  },
  {
    title: "a generated name",
    text: "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\n",
    line: 1,
    problem: /metadata\.name is missing/,
  },
  {
    title: "the same object twice",
    text: `${good}---\n${good}`,
    line: 7,
    problem: /ConfigMap default\/good is already defined at west\/bad\.yaml:1/,
  },
];

for (const { title, text, line, problem } of badFiles) {
  test(`refused with file and line: ${title}`, () => {
    write({ "west/bad.yaml": text, "east/good.yml": good });
    const { complaints } = readManifests(directory, ["east", "west"]);
    assert.equal(complaints.length, 1, complaints.join("\n"));
    const complaint = complaints[0] ?? "";
    assert.ok(complaint.startsWith(`west/bad.yaml:${line}: `), complaint);
    assert.match(complaint, problem);
    assert.match(complaint, / Next: .+$/);
  });
}

test("a bad manifest is refused by the settings, by the name of the setting", () => {
  write({ "west/bad.yaml": "kind: ConfigMap\n", "north/x.yaml": good });
  assert.throws(
    () => checkSettings({}, root),
    (error) => {
      assert.ok(error instanceof RefusedError);
      assert.equal(error.problems.length, 2);
      for (const problem of error.problems) assert.match(problem, /^manifests is "manifests"; /);
      return true;
    },
  );
});

// Every JavaScript object has a property called `constructor`.
for (const folder of ["north", "East", "constructor"]) {
  test(`refused: the folder ${folder}, which belongs to no cluster`, () => {
    write({ [`${folder}/x.yaml`]: good });
    assert.deepEqual(readManifests(directory, ["east", "west"]).complaints, [
      `its folder ${folder} matches no cluster; allowed: east, west. Next: rename or remove the folder`,
    ]);
  });
}

test("a cluster without a folder, an empty folder, empty documents and other files are allowed", () => {
  write({
    "README.md": "x",
    "east/notes.txt": ": :",
    "east/main.tf": "x",
    "east/.#web.yaml": ": :",
    "east/web.yaml~": ": :",
    "east/.hidden/x.yaml": ": :",
    ".git/config.yaml": ": :",
    "west/empty.yaml": "",
    "west/comment.yaml": "# nothing\n---\n---\n",
  });
  assert.deepEqual(readManifests(directory, ["east", "west", "north"]), {
    manifests: { east: [], west: [], north: [] },
    complaints: [],
    ignored: ["east/main.tf"],
  });
});

test("the same object in two clusters or two namespaces is two objects", () => {
  const inShop = good.replace("name: good", "name: good\n  namespace: shop");
  write({ "east/a.yaml": good, "west/a.yaml": good, "west/b.yaml": inShop });
  const { manifests, complaints } = readManifests(directory, ["east", "west"]);
  assert.deepEqual(complaints, []);
  assert.equal(manifests.west?.length, 2);
});

test("the same object in two files is refused, and both files are named", () => {
  write({ "west/a.yaml": good, "west/b.yml": good });
  const [complaint] = readManifests(directory, ["west"]).complaints;
  assert.match(complaint ?? "", /^west\/b\.yml:1: ConfigMap default\/good is already defined at west\/a\.yaml:1/);
});

/** Numbers that JavaScript does not hold exactly are refused. */
const withoutLargeNumbers = (_: string, value: unknown) =>
  typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER ? 0 : value;

test("property: every object of every file is read, in the order of file names and as written", () => {
  const name = fc.stringMatching(/^[a-z]{1,8}$/);
  const files = fc.uniqueArray(fc.tuple(name, fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 3 })), {
    selector: ([file]) => file,
    maxLength: 4,
  });
  fc.assert(
    fc.property(files, (written) => {
      fs.rmSync(directory, { recursive: true, force: true });
      fs.mkdirSync(directory, { recursive: true });
      const objects = written
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([file, values]) => ({
          file,
          objects: values.map((value, i) => ({
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: `${file}-${i}` },
            // YAML does not keep the difference between 0 and -0.
            data: JSON.parse(JSON.stringify(value, withoutLargeNumbers)) as unknown,
          })),
        }));
      for (const { file, objects: documents } of objects) {
        write({ [`west/${file}.yaml`]: documents.map((document) => `${JSON.stringify(document)}\n`).join("---\n") });
      }
      const { manifests, complaints } = readManifests(directory, ["west"]);
      assert.deepEqual(complaints, []);
      assert.deepEqual(manifests.west, objects.flatMap(({ objects: documents }) => documents)); // prettier-ignore
    }),
    { numRuns: 50 },
  );
});

const read = (clusters = ["west"]) => readManifests(directory, clusters);
const namesRead = () => read().manifests.west?.map(({ metadata }) => metadata.name);

/** As sigs.k8s.io/yaml 1.6.0 reads these scalars, run on 2026-11-27. */
const scalars: [string, unknown][] = [
  ...["0400", "+0400", "0o400", "0x100", "0b100000000", "2_56", "256"].map((text): [string, number] => [text, 256]),
  ["-0400", -256],
  ["08", 8],
  ["1e3", 1000],
  ["1.50", 1.5],
  [".5", 0.5],
  ...["y", "Y", "yes", "Yes", "on", "ON", "true", "True"].map((text): [string, boolean] => [text, true]),
  ...["n", "No", "off", "OFF", "false"].map((text): [string, boolean] => [text, false]),
  ...["~", "null", "NULL", ""].map((text): [string, null] => [text, null]),
  ...["12:30", "12:30:45", "2024-01-01", "2024-01-01T10:00:00Z", "0o8", "0x", "_5", "1.2.3", "1e400", "yEs", "inf"].map(
    (text): [string, string] => [text, text],
  ),
  ["!!str 5", "5"],
  ['!!int "5"', 5],
  ["!!binary aGVsbG8=", "hello"],
  ["'0400'", "0400"],
];
for (const [text, value] of scalars) {
  test(`read as kubectl reads it: ${text || "nothing"}`, () => {
    write({ "west/x.yaml": `${good.trim()}\nx: ${text}\n` });
    const { manifests, complaints } = read();
    assert.deepEqual(complaints, []);
    assert.deepEqual(manifests.west?.[0]?.x, value);
  });
}

test("merge keys, also after many aliases; an own key wins", () => {
  const aliases = Array.from({ length: 300 }, (_, i) => `  k${i}: {<<: *labels, own: "${i}", team: me}`).join("\n");
  write({ "west/x.yaml": `${good.trim()}\nshared: &labels {team: shop, tier: web}\nmany:\n${aliases}\n` });
  const { manifests, complaints } = read();
  assert.deepEqual(complaints, []);
  const many = manifests.west?.[0]?.many as Record<string, unknown>;
  assert.deepEqual(many.k299, { team: "me", tier: "web", own: "299" });
});

test("subfolders, .json, upper-case extensions, and links to files and folders are read", () => {
  const named = (name: string) =>
    JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } }, null, "\t");
  write({
    "west/db/deep/a.yaml": named("deep"),
    "west/b.json": named("json"),
    "west/C.YAML": named("upper"),
    "shared.yaml": "",
  });
  fs.rmSync(path.join(directory, "shared.yaml"));
  fs.mkdirSync(path.join(root, "elsewhere"), { recursive: true });
  fs.writeFileSync(path.join(root, "elsewhere/file.yml"), named("linked"));
  fs.writeFileSync(path.join(root, "one.yaml"), named("one"));
  fs.symlinkSync(path.join(root, "elsewhere"), path.join(directory, "west/folder"));
  fs.symlinkSync(path.join(root, "one.yaml"), path.join(directory, "west/one.yaml"));
  assert.deepEqual(read().complaints, []);
  assert.deepEqual(namesRead(), ["upper", "json", "deep", "linked", "one"]);
});

test("byte order marks, UTF-16 and Windows line ends", () => {
  const named = (name: string) => good.replace("name: good", `name: ${name}`);
  write({
    "west/a.yaml": `\uFEFF${named("a")}---\n\uFEFF${named("b")}`,
    "west/c.yaml": named("c").replaceAll("\n", "\r\n"),
  });
  fs.writeFileSync(path.join(directory, "west/d.yaml"), Buffer.from(`\uFEFF${named("d")}`, "utf16le"));
  fs.writeFileSync(path.join(directory, "west/e.yaml"), Buffer.from(`\uFEFF${named("e")}`, "utf16le").swap16());
  assert.deepEqual(read().complaints, []);
  assert.deepEqual(namesRead(), ["a", "b", "c", "d", "e"]);
});

test("lists, also of one kind", () => {
  const list = {
    apiVersion: "v1",
    kind: "ServiceList",
    items: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }],
  };
  write({ "west/x.json": JSON.stringify(list) });
  assert.deepEqual(read().manifests.west, [
    { apiVersion: "v1", kind: "Service", metadata: { name: "a" } },
    { apiVersion: "v1", kind: "Service", metadata: { name: "b" } },
  ]);
});

test("the same kind and name in two API groups is two objects; two versions of one group are one", () => {
  const service = (apiVersion: string) => ({ apiVersion, kind: "Service", metadata: { name: "web" } });
  write({ "west/x.yaml": ["v1", "serving.knative.dev/v1"].map((one) => JSON.stringify(service(one))).join("\n---\n") });
  assert.deepEqual(read().complaints, []);
  write({ "west/y.yaml": JSON.stringify(service("serving.knative.dev/v1beta1")) });
  assert.match(
    read().complaints.join(),
    /^west\/y\.yaml:1: Service default\/web is already defined at west\/x\.yaml:3/,
  );
});

for (const [title, make, complaint] of [
  ["a file in place of a cluster's folder", () => write({ west: good }), /^its entry west is a file or a broken link/],
  ["a manifest beside the folders", () => write({ "x.yaml": good }), /^its file x\.yaml is in no cluster's folder/],
  [
    "a link to nothing",
    () => {
      write({ "west/a.yaml": good });
      fs.symlinkSync("gone.yaml", path.join(directory, "west/b.yaml"));
    },
    /^west\/b\.yaml is a link to gone\.yaml, which does not exist/,
  ],
  [
    "folders that lead back to themselves",
    () => {
      write({ "west/a.yaml": good });
      fs.symlinkSync(".", path.join(directory, "west/again"));
    },
    /^west\/again leads back to a folder around it/,
  ],
  [
    "bytes that are no text",
    () => {
      write({ "west/a.yaml": "" });
      fs.writeFileSync(path.join(directory, "west/a.yaml"), Buffer.from([0x61, 0xff, 0xfe]));
    },
    /^west\/a\.yaml cannot be read: it is not UTF-8 text/,
  ],
  [
    "a Helm chart",
    () => write({ "west/app/Chart.yaml": "name: x" }),
    /^west\/app is a Helm chart\. Next: helm template /,
  ],
  [
    "a kustomization that cannot be built",
    () => write({ "west/app/kustomization.yaml": "resources: [gone.yaml]\n" }),
    /^west\/app\/kustomization\.yaml cannot be built: .*gone\.yaml.* Next: kubectl kustomize /,
  ],
] as [string, () => void, RegExp][]) {
  test(`refused: ${title}`, () => {
    make();
    const { complaints } = read();
    assert.equal(complaints.length, 1, complaints.join("\n"));
    assert.match(complaints[0] ?? "", complaint);
  });
}

test("a folder with a kustomization is built, and its other files are not read", () => {
  write({
    "west/app/kustomization.yaml": "namePrefix: my-\nresources: [a.yaml]\n",
    "west/app/a.yaml": good,
    "west/app/values.yaml": "x: 1\n",
  });
  assert.deepEqual(read().complaints, []);
  assert.deepEqual(namesRead(), ["my-good"]);
});
