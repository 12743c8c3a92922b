/**
 * The examples with a stack file come up with one command, are verified, and go away. Shifting the weights of emojivoto
 * changes its two routes and nothing else.
 *
 * Real engine, kubernetes provider and API servers on kwok. Charts, tls and command provider are
 * the stand-ins of offline/ where the real ones cannot be had. Simulated pods leave the traffic unproved.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { root } from "../../lib/paths";
import { succeeded, TestStack } from "../lib/stack";

/** The weights in the state, as text. Example: `emoji-svc-east 50` */
async function weightsOf(stack: TestStack): Promise<string[]> {
  const routes = (await stack.export()).filter(({ type }) => type.endsWith(":HTTPRoute"));
  return routes
    .flatMap(({ inputs }) => (inputs?.spec as { rules: { backendRefs: { name: string; weight: number }[] }[] }).rules)
    .flatMap(({ backendRefs }) => backendRefs.map(({ name, weight }) => `${name} ${weight}`))
    .sort();
}

/** Brings an example up, looks at it, and takes it away. */
async function runs(name: string, look: (stack: TestStack) => Promise<unknown> = () => Promise.resolve()) {
  const file = fs.readFileSync(path.join(root, `Pulumi.${name}.yaml`), "utf8");
  const { config } = parse(file) as { config: Record<string, unknown> };
  const stack = await TestStack.create({ ...config, "mesh:runtime": "kwok" });
  try {
    const script = async (command: string) => succeeded(await stack.script(command, stack.name));
    await script("start");
    assert.deepEqual(succeeded(await stack.preview()).changes, []);
    await script("verify");
    await look(stack);
    await script("stop");
    assert.deepEqual(await stack.export(), []);
  } finally {
    await stack.end();
  }
}

test("examples/etcd comes up, is verified, and goes away", () => runs("etcd"));

test("examples/modes comes up, is verified, and goes away", () => runs("modes"));

test("examples/emojivoto: the preview of other weights shows both routes and nothing else", () =>
  runs("emojivoto", async (stack) => {
    const file = path.join(stack.checkout, "examples/emojivoto/manifests/dev/weights.yaml");
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("50:50", "10:90"));
    const changes = await stack.upAsPreviewed();
    assert.deepEqual(changes.map(({ op, type, name }) => `${op} ${type.split(":").at(-1)} ${name}`).sort(), [
      "update HTTPRoute mesh-dev-workloads:emojivoto/emoji-svc",
      "update HTTPRoute mesh-dev-workloads:emojivoto/voting-svc",
    ]);
    for (const { diff } of changes)
      assert.ok(diff.length > 0 && diff.every((field) => field.startsWith("spec.rules")), diff.join());
    const expected = ["emoji-svc-east 10", "emoji-svc-west 90", "voting-svc-east 10", "voting-svc-west 90"];
    assert.deepEqual(await weightsOf(stack), expected);
  }));
