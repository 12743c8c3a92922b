/** The parts of the chart stand-ins that can be read without Helm. The engine tests render and apply them. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { findCharts } from "../../config/charts";
import { chartNames, type ChartName } from "../../config/settings";

const root = path.join(__dirname, "../..");
const directory = path.join(root, "offline/charts");
const read = (...file: string[]) => fs.readFileSync(path.join(directory, ...file), "utf8");
const yaml = <T>(...file: string[]) => parse(read(...file)) as T;

for (const chart of chartNames) {
  test(`${chart} has the real chart's name and the program's default version, and says that it stands in`, async () => {
    const found = (await findCharts({ directory }))[chart];
    const meta = parse(fs.readFileSync(path.join(found, "Chart.yaml"), "utf8")) as Record<string, string>;
    const program = parse(fs.readFileSync(path.join(root, "Pulumi.yaml"), "utf8")) as {
      config: { linkerdVersion: { default: string } };
    };
    assert.equal(meta.name, chart);
    assert.equal(meta.version, program.config.linkerdVersion.default);
    assert.equal(meta.appVersion, "edge-26.8.3");
    assert.equal(meta.kubeVersion, ">=1.31.0-0");
    const top = read(chart, "Chart.yaml").split("apiVersion")[0] ?? "";
    assert.match(top, /STAND-IN/);
    assert.match(top, /Unproved with it:/);
    assert.match(read("README.md"), new RegExp(`^\\| \`${chart}\` \\|`, "m"));
  });
}

// Defaults of the real charts that the program overrides on purpose. With others, a program that forgets to would pass.
const defaults: Record<ChartName, Record<string, unknown>> = {
  "linkerd-crds": { installGatewayAPI: false },
  "linkerd-control-plane": {
    clusterDomain: "cluster.local",
    identityTrustDomain: "",
    identityTrustAnchorsPEM: "",
    "identity.issuer.tls.crtPEM": "",
    "identity.issuer.tls.keyPEM": "",
    "proxyInjector.crtPEM": "",
    "profileValidator.keyPEM": "",
    "policyValidator.caBundle": "",
    disableHeartBeat: false,
    webhookFailurePolicy: "Ignore",
    podAnnotations: {},
    "proxy.logLevel": "warn,linkerd=info,hickory=error",
    controllerImage: "cr.l5d.io/linkerd/controller",
    "proxy.image.name": "cr.l5d.io/linkerd/proxy",
  },
  "linkerd-multicluster": {
    identityTrustDomain: "cluster.local",
    createNamespaceMetadataJob: true,
    remoteMirrorServiceAccount: true,
    controllers: [],
    "controllerDefaults.enableHeadlessServices": false,
    podAnnotations: {},
    "gateway.deploymentAnnotations": {},
    "gateway.serviceType": "LoadBalancer",
    "gateway.port": 4143,
    "gateway.probe.port": 4191,
    "gateway.pauseImage": "registry.k8s.io/pause:3.2",
  },
};

for (const chart of chartNames) {
  test(`${chart} has the real chart's value keys and defaults`, () => {
    const values = yaml<unknown>(chart, "values.yaml");
    for (const [key, expected] of Object.entries(defaults[chart])) assert.deepEqual(at(values, key), expected, key);
  });
}

function at(value: unknown, key: string): unknown {
  return key.split(".").reduce((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], value);
}

test("linkerd-crds lists the real chart's fourteen kinds, and stores the versions that Linkerd writes", () => {
  const groups = yaml<Record<string, Record<string, { versions: string[]; enabledBy?: string }>>>(
    "linkerd-crds",
    "files/crds.yaml",
  );
  const kinds = Object.entries(groups).flatMap(([group, byPlural]) =>
    Object.entries(byPlural).map(([plural, crd]) => ({ name: `${plural}.${group}`, ...crd })),
  );
  assert.equal(kinds.length, 14);
  const gatewayApi = kinds.filter(({ name }) => name.endsWith(".gateway.networking.k8s.io"));
  assert.deepEqual(
    kinds.filter(({ enabledBy }) => enabledBy !== undefined),
    gatewayApi,
  );
  assert.equal(gatewayApi.length, 4);
  const stored = Object.fromEntries(kinds.map(({ name, versions }) => [name, versions.at(-1)]));
  // The versions that the multicluster chart's gateway and admin policies use.
  assert.equal(stored["servers.policy.linkerd.io"], "v1beta3");
  assert.equal(stored["authorizationpolicies.policy.linkerd.io"], "v1alpha1");
  assert.equal(stored["httproutes.gateway.networking.k8s.io"], "v1");
});

interface Schema {
  type: string;
  required?: string[];
  properties?: Record<string, Schema>;
}

test("the Link CRD stores v1alpha3, and takes every scalar as a string", () => {
  const { spec } = yaml<{
    spec: { versions: { name: string; storage: boolean; schema: { openAPIV3Schema: Schema } }[] };
  }>("linkerd-multicluster", "templates/link-crd.yaml");
  const [stored, ...others] = spec.versions.filter(({ storage }) => storage);
  assert.equal(stored?.name, "v1alpha3");
  assert.deepEqual(others, []);
  const link = stored.schema.openAPIV3Schema.properties?.spec;
  assert.ok(link?.properties);
  assert.equal(link.required, undefined, "the real one requires no field");
  const typed = ({ properties = {} }: Schema) =>
    Object.fromEntries(Object.entries(properties).map(([field, { type }]) => [field, type]));
  assert.deepEqual(typed(link), {
    targetClusterName: "string",
    targetClusterDomain: "string",
    targetClusterLinkerdNamespace: "string",
    clusterCredentialsSecret: "string",
    gatewayAddress: "string",
    gatewayPort: "string",
    gatewayIdentity: "string",
    probeSpec: "object",
    selector: "object",
    remoteDiscoverySelector: "object",
    federatedServiceSelector: "object",
    excludedAnnotations: "array",
    excludedLabels: "array",
  });
  const probe = { path: "string", port: "string", period: "string", timeout: "string", failureThreshold: "string" };
  assert.deepEqual(typed(link.properties.probeSpec ?? { type: "" }), probe);
});
