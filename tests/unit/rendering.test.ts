/** What a chart is rendered to in a local cluster, through Pulumi's mocks: when it is rendered, and what is kept of it. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { shapeChild } from "../../components/chart";
import type { LocalCluster } from "../../components/clusters/cluster";
import { type KubernetesObject, rendering, type RenderingArgs } from "../../components/rendering";

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "rendering-test-"));
process.env.XDG_DATA_HOME = scratch;
const chart = path.join(scratch, "chart");
const objects = [
  { kind: "ConfigMap", metadata: { name: "kept" } },
  { kind: "Job", metadata: { name: "hook", annotations: { "helm.sh/hook": "pre-install" } } },
];
let renderings = 0;
let provider: k8s.Provider;

before(async () => {
  await pulumi.runtime.setMocks({
    newResource: ({ name, inputs }) => ({ id: name, state: inputs as object }),
    call: () => {
      renderings++;
      return { result: objects };
    },
  });
  provider = new k8s.Provider("provider", {});
});
beforeEach(() => {
  fs.rmSync(scratch, { recursive: true, force: true });
  fs.mkdirSync(path.join(chart, "templates"), { recursive: true });
  fs.writeFileSync(path.join(chart, "templates/one.yaml"), "one");
  renderings = 0;
});
after(() => fs.rmSync(scratch, { recursive: true }));

const names = (found: KubernetesObject[]) => found.map(({ metadata }) => metadata.name).join();

/** Renders the chart for a cluster, and tells where it is kept. */
function render(change: Partial<RenderingArgs> = {}, outsideName = "east", by = rendering): Promise<string> {
  const cluster = { plan: { outsideName }, provider, lifeline: provider, kubeconfig: pulumi.secret("kubeconfig") };
  const args = { cluster: cluster as unknown as LocalCluster, chart, namespace: "linkerd", values: {}, write: names };
  const file = by("mesh-east-crds", { ...args, ...change }, { parent: provider });
  // The typings leave it out.
  return (file as unknown as { promise(): Promise<string> }).promise();
}

test("what a chart renders to is kept beside the cluster's kubeconfig, for its owner only, without hooks", async () => {
  const file = await render({ values: { key: pulumi.secret("a key") } });
  assert.equal(path.dirname(file), path.join(scratch, "linkerd-multicluster-mesh/east/charts"));
  assert.equal(fs.readFileSync(file, "utf8"), "kept");
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(fs.readdirSync(path.dirname(file)), [path.basename(file)]);
});

test("it is rendered again when anything that goes into it changes, and only then", async () => {
  const first = await render();
  assert.equal(await render(), first);
  assert.equal(renderings, 1);

  const files = new Set([first]);
  const rendered = async (file: Promise<string>) => {
    files.add(await file);
    assert.equal(renderings, files.size);
  };
  await rendered(render({ values: { key: "value" } }));
  await rendered(render({ namespace: "other" }));
  await rendered(render({}, "west"));
});

test("a changed chart is rendered again, by the next run of the program", async () => {
  const module = require.resolve("../../components/rendering");
  const first = await render();
  fs.writeFileSync(path.join(chart, "templates/two.yaml"), "two");
  delete require.cache[module];
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- anew, which import would not do
  const next = require(module) as typeof import("../../components/rendering");
  assert.notEqual(await render({}, "east", next.rendering), first);
});

test("children of a chart in a cluster of yours are shaped as well", () => {
  const shaped = (type: string, props: object) =>
    shapeChild({ type, props, opts: {} } as unknown as pulumi.ResourceTransformArgs)?.props;
  const metadata = { name: "one" };
  const service = { kind: "Service", metadata, spec: {} };
  const quiet = { ...service, metadata: { ...metadata, annotations: { "pulumi.com/skipAwait": "true" } } };
  assert.deepEqual(shaped("kubernetes:core/v1:Service", service), quiet);
  const definition = { kind: "CustomResourceDefinition", metadata };
  const kind = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition";
  assert.deepEqual(shaped(kind, { ...definition, spec: { description: "Long." } }), { ...definition, spec: {} });
  const keptBy = new k8s.Provider("kept", {});
  const providerOf = (annotations: Record<string, string>) => {
    const props = { metadata: { name: "one", annotations }, spec: {} };
    const args = { type: kind, props, opts: {} } as unknown as pulumi.ResourceTransformArgs;
    return (shapeChild(args, keptBy)?.opts as pulumi.CustomResourceOptions).provider;
  };
  assert.equal(providerOf({ "helm.sh/resource-policy": "keep" }), keptBy);
  assert.equal(providerOf({}), undefined);
  const pods = (containers: object[]) => ({
    kind: "Deployment",
    metadata,
    spec: { replicas: 1, template: { metadata, spec: { containers } } },
  });
  const lifecycle = { preStop: { sleep: { seconds: 10 } } };
  assert.deepEqual(
    shaped("kubernetes:apps/v1:Deployment", pods([{ name: "a" }, { name: "b", lifecycle: {} }])),
    pods([{ name: "a", lifecycle }, { name: "b", lifecycle: {} }]), // prettier-ignore
  );
  const webhooks = (failurePolicy: string) => [{ name: "one", failurePolicy }];
  const validators = (name: string, policy: string) => ({
    kind: "ValidatingWebhookConfiguration",
    metadata: { name },
    webhooks: webhooks(policy),
  });
  const refusing = "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration";
  const [policy, profile] = ["linkerd-policy-validator-webhook-config", "linkerd-sp-validator-webhook-config"];
  assert.deepEqual(shaped(refusing, validators(policy, "Fail")), validators(policy, "Ignore"));
  assert.deepEqual(shaped(refusing, validators(profile, "Fail")), validators(profile, "Fail"));
  assert.equal(shaped("kubernetes:core/v1:ConfigMap", { metadata }), undefined);
  assert.equal(shaped("kubernetes:serving.knative.dev/v1:Service", { metadata }), undefined);
});
