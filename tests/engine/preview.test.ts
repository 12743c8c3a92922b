/**
 * A preview lists exactly what the update then does: the same resources, operations and changed fields.
 *
 * Real engine, kubernetes provider and API servers on kwok. Charts, tls and command provider are the stand-ins of offline/
 * where the real ones cannot be had. The stand-ins leave unproved the parts of the real charts that they lack.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { type Step, succeeded, TestStack } from "../lib/stack";

let stack: TestStack;
before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok" });
});
after(() => stack.end());

function agree(how: Record<string, unknown> = {}): Promise<Step[]> {
  stack.configure(how);
  return stack.upAsPreviewed();
}

const operations = (steps: Step[]) => [...new Set(steps.map(({ op }) => op))].sort();
const named = (steps: Step[], name: RegExp) => steps.filter((step) => name.test(step.name));

test("from nothing", async () => {
  const made = await agree();
  assert.deepEqual(operations(made), ["create"]);
  for (const part of [
    /-control-plane:linkerd\/linkerd-identity$/,
    /-workloads:default\/nginx-set$/,
    /^mesh-east-to-west$/,
  ]) {
    assert.ok(named(made, part).length > 0, String(part));
  }
});

test("nothing changed", async () => assert.deepEqual(await agree(), []));

test("a state in which the provider's own groups hold the objects, as before 2026-11-27, is taken over", async () => {
  await stack.editState((text) =>
    text
      .replaceAll("mesh:index:Objects", "kubernetes:yaml/v2:ConfigGroup")
      // An object of a cluster-scoped custom resource had such a name.
      .replaceAll("mesh-west-workloads:default/nginx-svc", "mesh-west-workloads:nginx-svc"),
  );
  assert.ok((await stack.export()).some(({ type }) => type === "kubernetes:yaml/v2:ConfigGroup"));
  assert.deepEqual(await agree(), []);
});

/** Pulumi waits for these. kwok's stages make them ready. */
const metadata = { name: "web", namespace: "shop" };
const template = { spec: { containers: [{ name: "web", image: "nginx:1.29" }], restartPolicy: "Never" } };
const rule = { http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } }] } }; // prettier-ignore
const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
const labels = { app: "web" };
const awaited = {
  kind: "List",
  apiVersion: "v1",
  items: [
    { apiVersion: "v1", kind: "Service", metadata, spec: { selector: labels, ports: [{ port: 80 }] } },
    { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata, spec: claim },
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata,
      spec: {
        ...{ serviceName: "web", replicas: 2, selector: { matchLabels: labels } },
        template: { metadata: { labels }, spec: { containers: template.spec.containers } },
        volumeClaimTemplates: [{ metadata: { name: "data" }, spec: claim }],
      },
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name: "web" },
      spec: { controller: "example.com/web" },
    },
    { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec: { rules: [rule] } },
    { apiVersion: "batch/v1", kind: "Job", metadata, spec: { template } },
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata,
      spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
    },
  ],
};

test("a manifest changed, one added, one removed", async () => {
  stack.editManifest("west/nginx-statefulset.yaml", (text) => text.replace("replicas: 3", "replicas: 2"));
  const added =
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: prices, namespace: shop}\n";
  fs.mkdirSync(path.join(stack.checkout, "manifests/east/shop"));
  fs.writeFileSync(path.join(stack.checkout, "manifests/east/shop/shop.yaml"), added);
  fs.writeFileSync(path.join(stack.checkout, "manifests/east/shop/awaited.json"), JSON.stringify(awaited));
  fs.rmSync(path.join(stack.checkout, "manifests/west/nginx-deployment.yaml"));
  const done = await agree();
  const workloads = new Set(
    named(done, /-workloads:/)
      .map(({ op, name, diff }) => [op, name, ...diff].join(" "))
      .sort(),
  );
  assert.deepEqual(
    [...workloads],
    [
      "create mesh-east-workloads:shop",
      "create mesh-east-workloads:shop/prices",
      "create mesh-east-workloads:shop/web",
      "create mesh-east-workloads:web",
      "delete mesh-west-workloads:default/nginx-deploy",
      "delete mesh-west-workloads:default/nginx-invalid-deploy-svc",
      "update mesh-west-workloads:default/nginx-set spec.replicas",
    ],
  );
});

test("the proxies' log level", async () => {
  const done = await agree({ "mesh:proxyLogLevel": "linkerd=info,warn" });
  assert.deepEqual(operations(done), ["update"]);
});

test("a link removed, and added again", async () => {
  const removed = await agree({ "mesh:links": [{ source: "east", target: "west" }] });
  assert.ok(named(removed, /^mesh-west-to-east$/).some(({ op, type }) => op === "delete" && type.endsWith(":Link")));
  const added = await agree({ "mesh:links": undefined });
  assert.ok(named(added, /^mesh-west-to-east$/).some(({ op, type }) => op === "create" && type.endsWith(":Link")));
});

test("another version of Linkerd", async () => {
  const charts = path.join(stack.checkout, "offline/charts");
  stack.configure({ "mesh:chartDirectory": charts });
  for (const entry of fs.readdirSync(charts, { recursive: true }).map(String)) {
    const file = path.join(charts, entry);
    if (!fs.statSync(file).isFile()) continue;
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replaceAll("edge-26.8.3", "edge-99.1.1"));
  }
  const done = await agree();
  assert.ok(named(done, /-control-plane:linkerd\/linkerd-destination$/).some(({ op }) => op === "update"));
  assert.deepEqual(operations(done), ["update"]);
});

test("issuers rotated", async () => {
  const done = await agree({ "mesh:issuerGeneration": 2 });
  assert.deepEqual(named(done, /-control-plane:/).filter(({ op }) => op !== "update"), []); // prettier-ignore
});

test("each step of an anchor rotation", async () => {
  for (const settings of [
    { trustAnchors: [1, 2] },
    { trustAnchors: [2, 1] },
    { issuerGeneration: 3 },
    { trustAnchors: [2] },
  ]) {
    const done = await agree(
      Object.fromEntries(Object.entries(settings).map(([key, value]) => [`mesh:${key}`, value])),
    );
    assert.deepEqual(named(done, /-control-plane:/).filter(({ op }) => op !== "update"), [], JSON.stringify(settings)); // prettier-ignore
  }
});

test("a cluster added, and removed again", async () => {
  const added = await agree({ "mesh:clusters": ["east", "west", "north"] });
  assert.ok(named(added, /^mesh-north-control-plane:linkerd\/linkerd-identity$/).length > 0);
  const removed = await agree({ "mesh:clusters": undefined });
  assert.ok(named(removed, /^mesh-north/).every(({ op }) => op === "delete"));
});

test("clusters replaced by other ports", async () => {
  const base = Number(stack.settings()["mesh:portBase"] ?? 20_480);
  const done = await agree({ "mesh:portBase": base + 64 });
  assert.ok(operations(done).includes("replace"));
});

test("one cluster rebuilt", async () => {
  const target = `**Cluster$command:local:Command::mesh-east-claim`;
  succeeded(await stack.destroy("--target", target, "--target-dependents"));
  const made = await agree();
  assert.ok(named(made, /^mesh-east-control-plane:/).every(({ op }) => op === "create"));
  assert.deepEqual(named(made, /^mesh-west-control-plane:/), []);
});
