/** The charts and the images of a checkout of linkerd2. The sample has the places of the real source. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { findCharts } from "../../config/charts";
import { checkoutImages } from "../../config/checkout";
import { chartNames, checkSettings, RefusedError } from "../../config/settings";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "checkout-test-"));
after(() => fs.rmSync(root, { recursive: true }));
fs.mkdirSync(path.join(root, "manifests"));

function write(file: string, text: string, mode = 0o644): void {
  fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  fs.writeFileSync(path.join(root, file), text, { mode });
}

const folders = ["charts/linkerd-crds", "charts/linkerd-control-plane", "multicluster/charts/linkerd-multicluster"];

function sample(name: string, tagScript: string): void {
  for (const folder of [...folders, "charts/partials"]) write(`${name}/${folder}/Chart.yaml`, "name: any\n");
  for (const folder of folders) {
    write(
      `${name}/${folder}/values.yaml`,
      "linkerdVersion: linkerdVersionValue\nother: {version: linkerdVersionValue}\n",
    );
    write(`${name}/${folder}/templates/a.yaml`, "kind: A\n");
  }
  write(`${name}/bin/root-tag`, `#!/bin/sh\n${tagScript}\n`, 0o755);
}

sample("linkerd2", "echo git-0b83eafd");
// Left by `helm dependency update` in the checkout. Helm would find the partials twice.
write("linkerd2/charts/linkerd-crds/charts/partials-0.1.0.tgz", "not an archive");
sample("no-git", "echo fatal: not a git repository >&2; exit 128");
sample("no-partials", "echo any");
fs.rmSync(path.join(root, "no-partials/charts/partials"), { recursive: true });

const charts = (raw: Record<string, unknown>, shellCharts?: string) => checkSettings(raw, root, shellCharts).charts;
const source = { checkout: path.join(root, "linkerd2"), tag: "git-0b83eafd" };

test("a checkout names its charts, and its bin/root-tag names their images, also in a shell with other charts", () => {
  assert.deepEqual(charts({ linkerdCheckout: "linkerd2" }), source);
  assert.deepEqual(charts({ linkerdCheckout: "linkerd2" }, "nowhere"), source);
  assert.deepEqual(checkoutImages(source), [
    "cr.l5d.io/linkerd/controller:git-0b83eafd",
    "cr.l5d.io/linkerd/proxy:git-0b83eafd",
  ]);
});

const refusals: [raw: Record<string, unknown>, problem: RegExp][] = [
  [{ linkerdCheckout: "nowhere" }, /^linkerdCheckout is "nowhere"; .*bin\/root-tag is missing\. Next: git clone /],
  [{ linkerdCheckout: "no-partials" }, /allowed: .* charts\/partials\/Chart\.yaml is missing\. Next: git clone /],
  [{ linkerdCheckout: "no-git" }, /bin\/root-tag fails: .*not a git repository\. Next: git clone /s],
  [{ linkerdCheckout: "linkerd2", chartDirectory: "x" }, /^chartDirectory is "x"; .*linkerdCheckout names the charts/],
  [
    { linkerdCheckout: "linkerd2", linkerdVersion: "2026.9.1" },
    /^linkerdVersion is .*linkerdCheckout names the charts/,
  ],
  [
    { linkerdCheckout: "linkerd2", runtime: "existing" },
    /^linkerdCheckout is "linkerd2"; allowed: with runtime k3d, kwok/,
  ],
];
for (const [raw, problem] of refusals) {
  test(`refused: ${JSON.stringify(raw)}`, () => {
    assert.throws(
      () => charts(raw),
      (error) => error instanceof RefusedError && error.problems.some((one) => problem.test(one)),
    );
  });
}

test("the cache gets charts as a release has them: with partials, and with the tag as every version", async () => {
  const cache = path.join(root, "cache");
  const found = await findCharts(source, cache);
  for (const chart of chartNames) {
    const read = (file: string) => fs.readFileSync(path.join(found[chart], file), "utf8");
    assert.equal(read("values.yaml"), "linkerdVersion: git-0b83eafd\nother: {version: git-0b83eafd}\n");
    assert.equal(read("templates/a.yaml"), "kind: A\n");
    assert.deepEqual(fs.readdirSync(path.join(found[chart], "charts")), ["partials"]);
  }
  assert.deepEqual(await findCharts(source, cache), found);
  const other = await findCharts({ ...source, tag: "git-11111111" }, cache);
  assert.match(fs.readFileSync(path.join(other["linkerd-crds"], "values.yaml"), "utf8"), /git-11111111/);
  assert.match(fs.readFileSync(path.join(root, "linkerd2/charts/linkerd-crds/values.yaml"), "utf8"), /VersionValue/);
});
