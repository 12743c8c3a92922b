/**
 * The examples with a stack file come up with one command, are verified, and go away. Shifting the weights of emojivoto
 * changes its two routes and nothing else.
 *
 * Real engine, kubernetes provider and API servers on kwok. Charts, tls and command provider are
 * the stand-ins of offline/ where the real ones cannot be had. Simulated pods leave the traffic unproved. The checkout
 * of linkerd2 is a stand-in too: its images are not there, and its partials are empty.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
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
async function runs(
  name: string,
  look: (stack: TestStack) => Promise<unknown> = () => Promise.resolve(),
  settings: Record<string, unknown> = {},
) {
  const file = fs.readFileSync(path.join(root, `Pulumi.${name}.yaml`), "utf8");
  const { config } = parse(file) as { config: Record<string, unknown> };
  const stack = await TestStack.create({ ...config, ...settings, "mesh:runtime": "kwok" });
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

test("examples/custom-linkerd: a new commit changes Linkerd's images, and no pod of the workloads", async () => {
  const checkout = linkerdCheckout();
  try {
    await runs(
      "custom-linkerd",
      async (stack) => {
        assert.deepEqual(await linkerdTags(stack), ["git-11111111"]);
        checkout.commit("git-22222222");
        const changes = await stack.upAsPreviewed();
        assert.deepEqual(await linkerdTags(stack), ["git-22222222"]);
        const pods = changes.filter(({ type }) => /:(Deployment|StatefulSet|DaemonSet)$/.test(type));
        assert.ok(pods.length > 0);
        for (const { op, name } of pods)
          assert.match(`${op} ${name}`, /^update mesh-\w+-(control-plane|multicluster):/);
        assert.deepEqual(succeeded(await stack.preview()).changes, []);
      },
      { "mesh:linkerdCheckout": checkout.directory },
    );
  } finally {
    checkout.remove();
  }
});

/** The stand-in's charts at the places where the source of linkerd2 has its own. */
function linkerdCheckout() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-linkerd2-"));
  const put = (file: string, text: string, mode?: number) => {
    fs.mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    fs.writeFileSync(path.join(directory, file), text, { mode });
  };
  for (const [chart, folder] of [
    ["linkerd-crds", "charts"],
    ["linkerd-control-plane", "charts"],
    ["linkerd-multicluster", "multicluster/charts"],
  ] as const) {
    const to = path.join(directory, folder, chart);
    fs.cpSync(path.join(root, "offline/charts", chart), to, { recursive: true });
    const values = path.join(to, "values.yaml");
    fs.writeFileSync(values, fs.readFileSync(values, "utf8").replace(/edge-[\d.]+/g, "linkerdVersionValue"));
  }
  put("charts/partials/Chart.yaml", "apiVersion: v2\nname: partials\nversion: 0.1.0\n");
  const commit = (tag: string) => put("bin/root-tag", `#!/bin/sh\necho ${tag}\n`, 0o755);
  commit("git-11111111");
  return { directory, commit, remove: () => fs.rmSync(directory, { recursive: true }) };
}

/** The tags of the images of Linkerd's pods in the state. */
async function linkerdTags(stack: TestStack): Promise<string[]> {
  const images = (await stack.export()).flatMap(({ type, inputs }) =>
    /:(Deployment|CronJob)$/.test(type) ? [...JSON.stringify(inputs).matchAll(/cr\.l5d\.io\/[\w/-]+:([\w.-]+)/g)] : [],
  );
  return [...new Set(images.map(([, tag]) => tag ?? ""))];
}
