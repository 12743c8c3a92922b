/** The stack files and manifests of examples/ are read as `npm start` reads them. No cluster is made. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { readManifests } from "../../config/manifests";
import { makePlan } from "../../config/plan";
import { checkSettings } from "../../config/settings";
import { root } from "../../lib/paths";

function planOf(stack: string) {
  const { config } = parse(fs.readFileSync(path.join(root, `Pulumi.${stack}.yaml`), "utf8")) as {
    config: Record<string, unknown>;
  };
  const raw = Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace(/^mesh:/, ""), value]));
  return makePlan(stack, checkSettings(raw, root));
}

test("examples/etcd: each member has a name in every other cluster", () => {
  const { mirrors } = planOf("etcd");
  assert.deepEqual(mirrors["north->east"], ["etcd-east", "etcd-0-east", "etcd-1-east"]);
  assert.deepEqual(mirrors["east->north"], ["etcd-north", "etcd-0-north"]);
});

test("examples/modes: one service per mode", () => {
  const { mirrors } = planOf("modes");
  assert.deepEqual([...(mirrors["east->west"] ?? [])].sort(), ["news-federated", "web-flat-west", "web-west"]);
});

test("examples/modes: the policy is valid with and without its last line", () => {
  const file = path.join(root, "examples/modes/manifests/west/policy.yaml");
  const identities = (text: string) => {
    const [last] = parseAllDocuments(text).slice(-1);
    assert.deepEqual(last?.errors, []);
    return (last?.toJS() as { spec: { identities: string[] } }).spec.identities.length;
  };
  const text = fs.readFileSync(file, "utf8");
  assert.equal(identities(text), 1);
  assert.equal(identities(text.replace("#- linkerd-gateway", "- linkerd-gateway")), 2);
});

test("examples/emojivoto: dev mirrors both services of east and west, and nobody mirrors dev", () => {
  const { mirrors } = planOf("emojivoto");
  assert.deepEqual(mirrors, {
    "dev->east": ["emojivoto/emoji-svc-east", "emojivoto/voting-svc-east"],
    "dev->west": ["emojivoto/emoji-svc-west", "emojivoto/voting-svc-west"],
  });
});

test("examples/emojivoto: one line sets the weights of both routes", () => {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-emojivoto-"));
  try {
    fs.cpSync(path.join(root, "examples/emojivoto"), copy, { recursive: true });
    const file = path.join(copy, "manifests/dev/weights.yaml");
    const weights = () => {
      const { manifests, complaints } = readManifests(path.join(copy, "manifests"), ["dev", "east", "west"]);
      assert.deepEqual(complaints, []);
      assert.ok(manifests.dev?.every(({ kind }) => kind !== "ConfigMap"));
      const routes = (manifests.dev ?? []).filter(({ kind }) => kind === "HTTPRoute");
      return routes.map(({ metadata, spec }) => {
        const { rules } = spec as { rules: { backendRefs: { name: string; weight: number }[] }[] };
        return [
          metadata.name,
          ...rules.flatMap(({ backendRefs }) => backendRefs.map((ref) => `${ref.name} ${ref.weight}`)),
        ];
      });
    };
    const expected = (east: number, west: number) =>
      ["emoji-svc", "voting-svc"].map((name) => [name, `${name}-east ${east}`, `${name}-west ${west}`]);
    assert.deepEqual(weights(), expected(50, 50));
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("50:50", "10:90"));
    assert.deepEqual(weights(), expected(10, 90));
  } finally {
    fs.rmSync(copy, { recursive: true });
  }
});
