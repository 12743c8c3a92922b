/** The contents of manifests/<cluster>/: read whole, or refused with file and line. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, beforeEach, test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
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
    title: "several objects in one",
    text: "apiVersion: v1\nkind: List\nmetadata: {name: x}\nitems: []\n",
    line: 1,
    problem: /a List contains several objects/,
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
    "west/empty.yaml": "",
    "west/comment.yaml": "# nothing\n---\n---\n",
  });
  assert.deepEqual(readManifests(directory, ["east", "west", "north"]), {
    manifests: { east: [], west: [], north: [] },
    complaints: [],
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
            data: JSON.parse(JSON.stringify(value)) as unknown,
          })),
        }));
      for (const { file, objects: documents } of objects) {
        write({ [`west/${file}.yaml`]: documents.map((document) => stringify(document)).join("---\n") });
      }
      const { manifests, complaints } = readManifests(directory, ["west"]);
      assert.deepEqual(complaints, []);
      assert.deepEqual(manifests.west, objects.flatMap(({ objects: documents }) => documents)); // prettier-ignore
    }),
    { numRuns: 50 },
  );
});
