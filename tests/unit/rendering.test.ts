/** The inputs of a rendering, and how the program processes the result. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { shaped } from "../../components/chart";
import { formerNames } from "../../components/objects";
import type { Manifest } from "../../config/manifests";
import { fill, placeholder } from "../../components/placeholders";
import { renderChart, type RenderingArgs } from "../../components/rendering";

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "rendering-test-"));
const cache = path.join(scratch, "cache");
const chart = path.join(scratch, "chart");
const calls = path.join(scratch, "calls");
const given = { PATH: process.env.PATH, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME };
/** Stands in for Helm: prints its input as YAML. The engine tests run the real Helm. */
const helm = `#!/bin/sh
echo "$@" >> ${calls}
case "$*" in *broken*) echo "Error: values are wrong" >&2; exit 1;; esac
values=$(cat)
cat <<END
---
# Source: an empty one
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {values: '$values', mode: 0644, day: 2026-11-27, time: 12:30}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: two}}
---
{apiVersion: v1, kind: Secret, metadata: {name: three, namespace: other}}
END
`;

before(() => {
  fs.mkdirSync(path.join(chart, "templates"), { recursive: true });
  fs.writeFileSync(path.join(chart, "templates/one.yaml"), "one");
  fs.writeFileSync(path.join(scratch, "helm"), helm, { mode: 0o755 });
  Object.assign(process.env, { PATH: `${scratch}:${given.PATH}`, XDG_CACHE_HOME: cache });
});
beforeEach(() => {
  fs.rmSync(cache, { recursive: true, force: true });
  fs.writeFileSync(calls, "");
});
after(() => fs.rmSync(scratch, { recursive: true }));

const render = (change: Partial<RenderingArgs> = {}) =>
  renderChart({
    chart,
    release: "mesh-east-crds",
    namespace: "linkerd",
    values: { key: "value" },
    capabilities: { kubernetesVersion: "v1.31.0", apiVersions: ["v1", "policy/v1"] },
    ...change,
  });
const called = () => fs.readFileSync(calls, "utf8").trim().split("\n").filter(Boolean);

function valueOf<T>(output: unknown): Promise<T> {
  // Missing in the typings.
  return (pulumi.output(output) as unknown as { promise(): Promise<T> }).promise();
}

test("Helm renders a chart for the given Kubernetes version, and objects get a missing namespace", async () => {
  assert.deepEqual(await render(), [
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "one", namespace: "linkerd" },
      // YAML 1.1 reads a number that begins with 0 as octal. Helm reads dates and times as text.
      data: { values: '{"key":"value"}', mode: 0o644, day: "2026-11-27", time: "12:30" },
    },
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "two" } },
    { apiVersion: "v1", kind: "Secret", metadata: { name: "three", namespace: "other" } },
  ]);
  const flags = "--include-crds --no-hooks --values - --namespace linkerd --kube-version v1.31.0";
  assert.deepEqual(called(), [`template mesh-east-crds ${chart} ${flags} --api-versions v1 --api-versions policy/v1`]);
});

test("a rendering is kept, and repeated when any of its inputs changes", async () => {
  const first = await render();
  assert.deepEqual(await render(), first);
  assert.equal(called().length, 1);
  await render({ values: { key: "other" } });
  await render({ namespace: "other" });
  await render({ capabilities: { kubernetesVersion: "v1.32.0", apiVersions: [] } });
  assert.equal(called().length, 4);
  const [kept = ""] = fs.readdirSync(path.join(cache, "linkerd-multicluster-mesh/rendered"));
  assert.match(kept, /^mesh-east-crds-[0-9a-f]{16}\.json$/);

  const module = require.resolve("../../components/rendering");
  fs.writeFileSync(path.join(chart, "templates/two.yaml"), "two");
  delete require.cache[module];
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the next run of the program, which import would not be
  const next = require(module) as typeof import("../../components/rendering");
  await next.renderChart({ chart, release: "mesh-east-crds", namespace: "linkerd", values: { key: "value" }, capabilities: { kubernetesVersion: "v1.31.0", apiVersions: ["v1", "policy/v1"] } }); // prettier-ignore
  assert.equal(called().length, 5);
});

test("Helm's refusals are quoted, and for a missing helm the message says how to get it", async () => {
  await assert.rejects(render({ release: "broken" }), /cannot be rendered: Error: values are wrong\. Next: helm lint /);
  assert.equal(fs.existsSync(cache), false);
  process.env.PATH = path.join(scratch, "nowhere");
  await assert.rejects(render(), /helm, which is not on PATH\. Next: eval /);
  process.env.PATH = `${scratch}:${given.PATH}`;
});

test("a text replaces its placeholder: as it is, in base64, as its SHA-256, within YAML", async () => {
  const [bundle, pem] = [placeholder("bundle"), "-----BEGIN-----\nabc\n"];
  const digest = (text: string) => createHash("sha256").update(text).digest("hex");
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const object = {
    list: [bundle, `${bundle}\n`, "other"],
    webhook: { caBundle: base64(bundle) },
    annotation: digest(bundle),
    values: `a: 1\nbundle: ${bundle}\nother: ${placeholder("other")}\n`,
    number: 1,
    none: null,
  };
  assert.deepEqual(await valueOf(fill(object, { bundle: pem, other: "x" })), {
    list: [pem.trim(), pem.trim(), "other"],
    webhook: { caBundle: base64(pem.trim()) },
    annotation: digest(pem),
    values: `a: 1\nbundle: ${JSON.stringify(pem)}\nother: "x"\n`,
    number: 1,
    none: null,
  });
});

test("a text that is not known yet makes only the fields that contain it unknown", async () => {
  const unknown = pulumi.output(pulumi.unknown as string);
  const filled = fill(
    { old: placeholder("old"), new: placeholder("new"), plain: "as it was" },
    { old: "known", new: unknown },
  ) as Record<string, unknown>;
  assert.equal(filled.plain, "as it was");
  assert.equal(await valueOf(filled.old), "known");
  assert.equal(await (filled.new as { isKnown: Promise<boolean> }).isKnown, false);
});

test("a chart's objects are shaped by kind, except those of other API groups", () => {
  const metadata = { name: "one" };
  const of = (apiVersion: string, kind: string, fields: object): Manifest => ({ apiVersion, kind, metadata, ...fields }); // prettier-ignore
  const service = of("v1", "Service", { spec: {} });
  const annotated = (annotations: Record<string, string>) => ({ ...metadata, annotations });
  assert.deepEqual(shaped(service), { ...service, metadata: annotated({ "pulumi.com/skipAwait": "true" }) });
  const balanced = of("v1", "Service", { spec: { type: "LoadBalancer" } });
  const wait = { "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress}" };
  assert.deepEqual(shaped(balanced), { ...balanced, metadata: annotated(wait) });

  const definition = of("apiextensions.k8s.io/v1", "CustomResourceDefinition", { spec: {} });
  assert.deepEqual(shaped({ ...definition, spec: { description: "Long." } }), definition);

  const pods = (containers: object[]) =>
    of("apps/v1", "Deployment", { spec: { replicas: 1, template: { metadata, spec: { containers } } } });
  const lifecycle = { preStop: { sleep: { seconds: 10 } } };
  assert.deepEqual(
    shaped(pods([{ name: "a" }, { name: "b", lifecycle: {} }])),
    pods([{ name: "a", lifecycle }, { name: "b", lifecycle: {} }]), // prettier-ignore
  );

  const probing = (initialDelaySeconds: object, initContainers: object[]) =>
    of("apps/v1", "Deployment", {
      spec: {
        template: { spec: { containers: [{ lifecycle, readinessProbe: initialDelaySeconds }], initContainers } },
      },
    });
  assert.deepEqual(
    shaped(probing({ initialDelaySeconds: 2 }, [{ startupProbe: { initialDelaySeconds: 0, periodSeconds: 1 } }])),
    probing({ initialDelaySeconds: 2 }, [{ startupProbe: { periodSeconds: 1 } }]),
  );

  const validators = (name: string, failurePolicy: string) => ({
    ...of("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", {}),
    metadata: { name },
    webhooks: [{ name: "one", failurePolicy }],
  });
  const [policy, profile] = ["linkerd-policy-validator-webhook-config", "linkerd-sp-validator-webhook-config"];
  assert.deepEqual(shaped(validators(policy, "Fail")), validators(policy, "Ignore"));
  assert.deepEqual(shaped(validators(profile, "Fail")), validators(profile, "Fail"));

  const config = of("v1", "ConfigMap", {});
  assert.equal(shaped(config), config);
  const others = of("serving.knative.dev/v1", "Service", {});
  assert.equal(shaped(others), others);
});

test("a custom resource without a namespace also has its former name", () => {
  const named = (kind: string, namespace?: string) =>
    formerNames("mesh-west-workloads", {
      apiVersion: "v1",
      kind,
      metadata: { name: "x", ...(namespace && { namespace }) },
    });
  assert.deepEqual(named("ClusterIssuer"), ["mesh-west-workloads:x"]);
  assert.deepEqual(named("Issuer", "shop"), []);
  assert.deepEqual(named("ClusterRole"), []);
});
