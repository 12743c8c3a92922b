/**
 * The components under Pulumi's mocks, in an update and in a preview: the resources they register, and their secrets.
 *
 * Mocks do not know charts' objects, dependsOn, parents and deletedWith. tests/engine looks at those.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { claimClusters } from "../../components/clusters/claims";
import { Mesh } from "../../components/mesh";
import { meshArgs } from "../../components/meshArgs";
import type { Manifest } from "../../config/manifests";
import { placeholder } from "../../components/placeholders";
import { type PackedDefinitions, strip, unpack } from "../../components/stripCrds";
import type { ChartPaths } from "../../config/charts";
import { makePlan, type Plan } from "../../config/plan";
import { restartsOf } from "../../config/trust";
import { chartNames, type ChartName, checkSettings, type Runtime, type Settings } from "../../config/settings";

type Properties = Record<string, unknown>;

interface Asked {
  type: string;
  name: string;
  inputs: Properties;
}

/** Helm's arguments for a chart. */
interface Rendering {
  args: string;
  values: Properties;
}

interface Registered<Result> {
  asked: Asked[];
  /** Values by the name of the chart's resource. */
  rendered: Map<string, Properties>;
  told: Rendering[];
  result: Result;
  plan: Plan;
}
type Registration = Registered<Mesh>;

const root = path.join(__dirname, "../..");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "components-test-"));
/** Stands in for Helm: prints chartObjects, and writes down its arguments. The engine tests run the real Helm. */
const renderings = path.join(scratch, "renderings");
const cache = path.join(scratch, "cache");
const helm = () => `#!/bin/sh
echo "{\\"args\\": \\"$*\\", \\"values\\": $(cat)}" >> ${renderings}
case "$2" in *-crds) cat ${scratch}/definitions;; *) cat ${scratch}/objects;; esac
`;
const chartPath = (chart: ChartName) => path.join(root, "offline/charts", chart);
const paths = Object.fromEntries(chartNames.map((chart) => [chart, chartPath(chart)])) as ChartPaths;
const owner = "stack dev of here";
const argsOf = (plan: Plan, settings: Settings) => meshArgs({ plan, settings, owner, paths });
async function makeMesh(plan: Plan, settings: Settings): Promise<Mesh> {
  const args = await argsOf(plan, settings);
  await Mesh.prepare("mesh", args);
  return new Mesh("mesh", args);
}
const registerMesh = (preview: boolean, runtime: Runtime): Promise<Registration> =>
  register(preview, runtime, makeMesh);

/**
 * Outputs that the providers would make up. Each is a word that the tests look for where it must not be. The engine
 * keeps the secret ones secret without being asked by the program; a Command's output is not among them.
 */
const made = {
  "tls:index/privateKey:PrivateKey": {
    privateKeyPem: pulumi.secret("PRIVATE KEY OF TLS"),
    privateKeyPemPkcs8: pulumi.secret("PRIVATE KEY OF TLS AS PKCS#8"),
  },
  "tls:index/selfSignedCert:SelfSignedCert": { certPem: "ROOT", validityEndTime: "2036-01-01T00:00:00Z" },
  "tls:index/certRequest:CertRequest": { certRequestPem: "REQUEST" },
  "tls:index/locallySignedCert:LocallySignedCert": { certPem: "ISSUER", validityEndTime: "2027-01-01T00:00:00Z" },
  "command:local:Command": { stdout: "KUBECONFIG OF THE HOST" },
  "kubernetes:core/v1:Secret": {
    data: pulumi.secret({ "ca.crt": base64("CA OF THE TARGET"), token: base64("TOKEN OF THE ACCOUNT") }),
  },
} as Record<string, Properties>;
const secrets = [
  "PRIVATE KEY OF TLS",
  "KUBECONFIG OF THE HOST",
  "TOKEN OF THE ACCOUNT",
  base64("TOKEN OF THE ACCOUNT"),
];

/** Clusters of the user's, by contexts of a kubeconfig. */
const kubeconfig = path.join(scratch, "kubeconfig");
const names = ["east", "west"];
const existing = Object.fromEntries(names.map((name) => [name, { context: name, kubeconfig }]));
const twoContexts = (server: string) => ({
  clusters: names.map((name) => ({ name, cluster: { server, "insecure-skip-tls-verify": true } })),
  users: names.map((name) => ({ name, user: {} })),
  contexts: names.map((name) => ({ name, context: { cluster: name, user: name } })),
});
/** The program asks an API server of yours for this before it renders charts for it. */
const apiServer = createServer((request, response) => {
  const groups = [{ name: "policy", versions: [{ groupVersion: "policy/v1", version: "v1" }] }];
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(request.url?.startsWith("/version") ? { gitVersion: "v1.33.1" } : { groups }));
});
after(() => {
  apiServer.close();
  fs.rmSync(scratch, { recursive: true });
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

const decoded = (text: string) => Buffer.from(text, "base64").toString();

/** The value as JSON, and once more with every text in it taken for base64. */
function readable(value: unknown): string {
  return JSON.stringify(value) + JSON.stringify(value, (_, inner: unknown) => (typeof inner === "string" ? decoded(inner) : inner)); // prettier-ignore
}

/** Every chart is rendered to these; the chart of Linkerd's definitions to the first alone. */
const chartObjects = [
  {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "servers.policy.linkerd.io", annotations: { "helm.sh/resource-policy": "keep" } },
    spec: { description: "Long." },
  },
  { apiVersion: "v1", kind: "Service", metadata: { name: "linkerd-dst", namespace: "linkerd" }, spec: {} },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "linkerd-gateway", namespace: "linkerd-multicluster" },
    spec: { type: "LoadBalancer" },
  },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "linkerd-config", namespace: "linkerd" },
    data: { values: `identityTrustAnchorsPEM: ${placeholder("trustBundle")}\n`, known: "as it is" },
  },
] satisfies Manifest[];

/** The stack's resources in the state, by URN. */
let standing: Record<string, object> = {};

/** Runs a graph against mocks: in a preview nothing that a provider makes up is known. */
async function register<Result>(
  preview: boolean,
  runtime: Runtime,
  make: (plan: Plan, settings: Settings) => Promise<Result>,
): Promise<Registered<Result>> {
  const asked: Asked[] = [];
  const mocks: pulumi.runtime.Mocks = {
    newResource({ type, name, inputs, id }) {
      asked.push({ type, name, inputs: inputs as Properties });
      const state = { ...(inputs as Properties), ...(preview ? {} : made[type]) };
      if (name.endsWith("/linkerd-gateway") && !preview)
        state.status = { loadBalancer: { ingress: [{ ip: "192.0.2.7" }] } };
      return { id: id || `id of ${name}`, state };
    },
    call: ({ token }) => {
      assert.equal(token, "pulumi:pulumi:readStackResourceOutputs");
      return { outputs: standing };
    },
  };
  await pulumi.runtime.setMocks(mocks, "mesh", "dev", preview, "organization");
  const settings = checkSettings(
    { runtime, chartDirectory: "offline/charts", ...(runtime === "existing" && { existing }) },
    root,
  );
  const plan = makePlan("dev", settings);
  fs.rmSync(renderings, { force: true });
  fs.rmSync(cache, { recursive: true, force: true });
  const result = await make(plan, settings);
  const lines = fs.existsSync(renderings) ? fs.readFileSync(renderings, "utf8").trim().split("\n") : [];
  const told = lines.map((line) => JSON.parse(line) as Rendering);
  const rendered = new Map(told.map(({ args, values }) => [args.split(" ")[1] ?? "", values]));
  await pulumi.runtime.disconnect();
  return { asked, rendered, told, result, plan };
}

let update: Registration;
let preview: Registration;
let kwok: Registration;
let yours: Registration;
before(async () => {
  const asYaml = (objects: Manifest[]) => objects.map((object) => JSON.stringify(object)).join("\n---\n");
  fs.writeFileSync(path.join(scratch, "definitions"), asYaml(chartObjects.slice(0, 1)));
  fs.writeFileSync(path.join(scratch, "objects"), asYaml(chartObjects));
  fs.writeFileSync(path.join(scratch, "helm"), helm(), { mode: 0o755 });
  Object.assign(process.env, { PATH: `${scratch}:${process.env.PATH}`, XDG_CACHE_HOME: cache });
  await new Promise<void>((resolve) => apiServer.listen(0, "127.0.0.1", resolve));
  const server = `http://127.0.0.1:${(apiServer.address() as AddressInfo).port}`;
  fs.writeFileSync(kubeconfig, JSON.stringify(twoContexts(server)));
  update = await registerMesh(false, "k3d");
  preview = await registerMesh(true, "k3d");
  kwok = await registerMesh(false, "kwok");
  yours = await registerMesh(false, "existing");
});

function of(registration: Registration, type: string): Asked[] {
  return registration.asked.filter((one) => one.type.endsWith(type));
}

function one(registration: Registration, type: string, name: string): Properties {
  const found = of(registration, type).filter((candidate) => candidate.name === name);
  assert.equal(found.length, 1, `${type} ${name} is asked for ${found.length} times`);
  return found[0]?.inputs ?? {};
}

/** Marks of Pulumi's wire format. */
const signature = "4dabf18193072939515e22adb298388d";
const secretMark = "1b47061264138c4ac30d75fd1eb44270";

/** The value with everything marked secret blotted out. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ((value as Properties)[signature] === secretMark) return "(secret)";
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** The value with the marks of secrets taken off. */
function open(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(open);
  if (typeof value !== "object" || value === null) return value;
  if ((value as Properties)[signature] === secretMark) return open((value as { value: unknown }).value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, open(inner)]));
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return (output as unknown as { promise(): Promise<T> }).promise();
}

test("a preview asks for the same resources as the update", () => {
  const names = (registration: Registration) => registration.asked.map(({ type, name }) => `${type} ${name}`).sort();
  assert.deepEqual(names(preview), names(update));
  assert.equal(new Set(names(update)).size, update.asked.length, "a type and name are asked for twice");
});

for (const runtime of ["k3d", "kwok"] as const) {
  test(`the claims of ${runtime} clusters' names are resources of the mesh, and nothing else`, async () => {
    const { asked } = await register(false, runtime, async (plan, settings) =>
      claimClusters("mesh", await argsOf(plan, settings)),
    );
    const network = runtime === "k3d" ? ["mesh-network"] : [];
    const commands = asked.filter(({ type }) => type === "command:local:Command");
    assert.deepEqual(commands.map(({ name }) => name), [...network, "mesh-east-claim", "mesh-west-claim"]); // prettier-ignore
    const { asked: all } = { k3d: update, kwok }[runtime];
    for (const claimed of asked) assert.deepEqual(all.find(({ type, name }) => type === claimed.type && name === claimed.name), claimed); // prettier-ignore
  });
}

test("a stack that has clusters is never reduced to its claims: the engine would delete all the rest", async () => {
  standing = {
    "urn:pulumi:dev::mesh::mesh:index:Mesh$mesh:index:K3dCluster$pulumi:providers:kubernetes::mesh-east": {},
  };
  const claimed = register(false, "k3d", async (plan, settings) => claimClusters("mesh", await argsOf(plan, settings)));
  await assert.rejects(claimed, /MESH_ONLY_CLAIMS .* stack dev has clusters already; .* Next: unset MESH_ONLY_CLAIMS/);
  standing = {};
});

test("a child's name begins with its parent's: all begin with the mesh's", () => {
  for (const { name } of update.asked) assert.match(name, /^mesh(-|$)/);
});

test("no input contains a key, a token or a kubeconfig in plain text", () => {
  for (const registration of [update, preview, kwok]) {
    for (const { type, name, inputs } of registration.asked) {
      const text = readable(plain(inputs));
      for (const secret of secrets) assert.ok(!text.includes(secret), `${type} ${name} holds ${secret} in plain`);
    }
  }
  // The search does find secrets.
  const all = readable(update.asked.map(({ inputs }) => open(inputs)));
  for (const secret of secrets.slice(0, 3)) assert.ok(all.includes(secret), `${secret} stands nowhere`);
});

test("no plain output contains a secret, and the kubeconfigs are secret", async () => {
  for (const { result: mesh } of [update, kwok]) {
    const outputs = pulumi.output({
      clusters: mesh.clusters,
      expires: mesh.trustAnchorExpires,
      bundle: mesh.trustBundle,
    });
    assert.equal(await pulumi.isSecret(outputs), false);
    const text = JSON.stringify(await valueOf(outputs));
    for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} in ${text}`);
    assert.equal(await pulumi.isSecret(mesh.kubeconfigs), true);
    assert.deepEqual(await valueOf(mesh.kubeconfigs), { east: secrets[1], west: secrets[1] });
  }
  assert.equal(await pulumi.isSecret(preview.result.kubeconfigs), true);
});

test("gateway addresses are planned on k3d and kwok, and read from the Service in your own clusters", async () => {
  assert.deepEqual(
    [await valueOf(update.result.clusters.west!.gateway), await valueOf(update.result.clusters.west!.apiServer)],
    ["k3d-west-server-0", "https://k3d-west-serverlb:6443"],
  );
  assert.equal(await valueOf(kwok.result.clusters.west!.gateway), "192.0.2.1");
  assert.equal(await valueOf(yours.result.clusters.west!.gateway), "192.0.2.7");
  assert.equal(specOf(yours).gatewayAddress, "192.0.2.7");
});

function specOf(registration: Registration): Properties {
  return one(registration, ":Link", "mesh-east-to-west").spec as Properties;
}

test("a Link is named after its target, and all its scalars are strings", () => {
  const { metadata, spec } = one(update, ":Link", "mesh-east-to-west") as { metadata: Properties; spec: Properties };
  assert.deepEqual([metadata.name, metadata.namespace], ["west", "linkerd-multicluster"]);
  assert.equal(spec.targetClusterName, "west");
  assert.equal(spec.clusterCredentialsSecret, "cluster-credentials-west");
  assert.equal(spec.gatewayAddress, "k3d-west-server-0");
  assert.equal(
    spec.gatewayIdentity,
    "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.west.cluster.local",
  );
  const scalars = (value: unknown): unknown[] =>
    typeof value === "object" && value !== null ? Object.values(value).flatMap(scalars) : [value];
  for (const registration of [update, kwok]) {
    for (const value of scalars(specOf(registration)))
      assert.equal(typeof value, "string", JSON.stringify(specOf(registration)));
  }
  for (const selector of ["selector", "remoteDiscoverySelector", "federatedServiceSelector"]) {
    assert.notDeepEqual((spec[selector] as { matchLabels: Properties }).matchLabels, {}, `${selector} matches nothing`);
  }
});

test("the source has a link's credentials twice, with an address that its pods reach", () => {
  for (const [name, namespace] of [
    ["mesh-east-to-west-mirror", "linkerd-multicluster"],
    ["mesh-east-to-west-destination", "linkerd"],
  ] as const) {
    const { metadata, type, data } = open(one(update, ":Secret", name)) as {
      metadata: { name: string; namespace: string; labels?: Properties; annotations?: Properties };
      type: string;
      data: { kubeconfig: string };
    };
    assert.deepEqual([metadata.name, metadata.namespace], ["cluster-credentials-west", namespace]);
    assert.equal(type, "mirror.linkerd.io/remote-kubeconfig");
    if (namespace === "linkerd") {
      assert.deepEqual(metadata.labels, { "multicluster.linkerd.io/cluster-name": "west" });
      assert.deepEqual(metadata.annotations, {
        "multicluster.linkerd.io/trust-domain": "west.cluster.local",
        "multicluster.linkerd.io/cluster-domain": "west.cluster.local",
      });
    }
    assert.deepEqual(JSON.parse(decoded(data.kubeconfig)), {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: "west",
          cluster: {
            server: "https://k3d-west-serverlb:6443",
            "certificate-authority-data": base64("CA OF THE TARGET"),
          },
        },
      ],
      users: [{ name: "linkerd-service-mirror-east", user: { token: "TOKEN OF THE ACCOUNT" } }],
      contexts: [{ name: "west", context: { cluster: "west", user: "linkerd-service-mirror-east" } }],
      "current-context": "west",
    });
  }
});

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

test("a remote account may read what mirroring needs, write events, and nothing else", () => {
  const rules = of(update, "/v1:ClusterRole").concat(of(update, "/v1:Role"));
  const rights = (name: string) =>
    rules
      .filter((role) => role.name === name)
      .flatMap(({ inputs }) => inputs.rules as Rule[])
      .flatMap(({ apiGroups, resources, resourceNames = [""], verbs }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) =>
            resourceNames.map(
              (name) => `${[group, resource, name].filter(Boolean).join("/")}: ${[...verbs].sort().join()}`,
            ),
          ),
        ),
      );
  const read = "get,list,watch";
  assert.deepEqual(rights("mesh-east-to-west").sort(), [
    `apps/replicasets: ${read}`,
    `batch/jobs: ${read}`,
    "configmaps/linkerd-config: get",
    `discovery.k8s.io/endpointslices: ${read}`,
    `endpoints: ${read}`,
    "events: create,patch",
    `pods: ${read}`,
    `policy.linkerd.io/servers: ${read}`,
    `services: ${read}`,
  ]);
  assert.deepEqual(rights("mesh-west-to-east"), rights("mesh-east-to-west"));
});

test("each link has an account of its own in its target, bound to its own rights, with a token of its own", () => {
  for (const source of ["east", "west"]) {
    const link = source === "east" ? "mesh-east-to-west" : "mesh-west-to-east";
    const account = `linkerd-service-mirror-${source}`;
    const metadata = (type: string) => one(update, type, link).metadata as Properties;
    assert.deepEqual(metadata(":ServiceAccount"), { name: account, namespace: "linkerd-multicluster" });
    assert.deepEqual(metadata("v1:Secret"), {
      name: `${account}-token`,
      namespace: "linkerd-multicluster",
      annotations: { "kubernetes.io/service-account.name": account, "pulumi.com/waitFor": "jsonpath={.data}" },
    });
    for (const [binding, role] of [
      ["/v1:ClusterRoleBinding", "ClusterRole"],
      ["/v1:RoleBinding", "Role"],
    ] as const) {
      const { roleRef, subjects } = one(update, binding, link);
      assert.deepEqual(roleRef, { apiGroup: "rbac.authorization.k8s.io", kind: role, name: account });
      assert.deepEqual(subjects, [{ kind: "ServiceAccount", name: account, namespace: "linkerd-multicluster" }]);
    }
  }
});

test("charts get every certificate and the settings that keep a second update quiet", () => {
  const values = (chart: string) => update.rendered.get(`mesh-east-${chart}`) as Record<string, Properties>;
  const controlPlane = values("control-plane");
  for (const webhook of ["proxyInjector", "profileValidator", "policyValidator"]) {
    assert.deepEqual(controlPlane[webhook], { externalSecret: true, caBundle: placeholder(webhook) });
  }
  for (const service of ["linkerd-proxy-injector", "linkerd-sp-validator", "linkerd-policy-validator"]) {
    const { metadata, data } = one(update, "core/v1:Secret", `mesh-east-${service}-k8s-tls`);
    assert.deepEqual(metadata, { name: `${service}-k8s-tls`, namespace: "linkerd" });
    const pair = { "tls.crt": base64("ROOT"), "tls.key": base64("PRIVATE KEY OF TLS AS PKCS#8") };
    assert.deepEqual(open(data), pair);
  }
  assert.deepEqual(controlPlane.disableHeartBeat, true);
  assert.deepEqual(controlPlane.clusterDomain, "east.cluster.local");
  assert.deepEqual(controlPlane.identityTrustDomain, "east.cluster.local");
  assert.deepEqual(controlPlane.webhookFailurePolicy, "Fail");
  const multicluster = values("multicluster");
  assert.deepEqual(multicluster.controllers, [{ link: { ref: { name: "west" } } }]);
  assert.deepEqual(multicluster.controllerDefaults, {
    enableHeadlessServices: true,
    gateway: { probe: { port: 4191 } },
  });
  assert.deepEqual(multicluster.remoteMirrorServiceAccount, false);
  assert.deepEqual(multicluster.createNamespaceMetadataJob, false);
  assert.deepEqual(multicluster.identityTrustDomain, "east.cluster.local");
});

test("every cluster trusts the very same roots", () => {
  const bundle = (cluster: string) => one(update, ":ConfigMap", `mesh-${cluster}-trust-roots`).data;
  assert.deepEqual(bundle("east"), bundle("west"));
  assert.deepEqual(bundle("east"), { "ca-bundle.crt": "ROOT\n" });
});

test("workloads are the manifests as written, and restart when the certificates of pods change", () => {
  const written = update.plan.clusters.find(({ name }) => name === "west")?.manifests ?? [];
  assert.equal(written.length, 6);
  const made = update.asked.filter(({ name }) => name.startsWith("mesh-west-workloads:"));
  assert.deepEqual(made.map(({ name }) => name.split("/")[1]).sort(), written.map(({ metadata }) => metadata.name).sort()); // prettier-ignore
  for (const manifest of written) {
    assert.deepEqual(
      one(update, `:${manifest.kind}`, `mesh-west-workloads:default/${manifest.metadata.name}`),
      manifest,
    );
  }
  const { triggers, environment } = one(update, "command:local:Command", "mesh-west-restart");
  assert.deepEqual(triggers, [restartsOf({}).dataPlane]);
  assert.deepEqual(environment, { MESH_CLUSTER_NAME: "west" });
});

test("a checkout's images are imported before anything runs in a k3d cluster, and new ones keep the cluster", async () => {
  const withTag = (tag: string) =>
    register(false, "k3d", (plan, settings) => makeMesh(plan, { ...settings, charts: { checkout: "/linkerd2", tag } }));
  const [first, second] = [await withTag("git-1"), await withTag("git-2")];
  const command = (registered: Registration, name: string) => one(registered, "command:local:Command", name);
  const { create, environment } = command(first, "mesh-west-images") as { create: string; environment: Properties };
  assert.match(create, /lifecycle\/k3d\.ts import-images$/);
  assert.equal(environment.MESH_IMAGES, '["cr.l5d.io/linkerd/controller:git-1","cr.l5d.io/linkerd/proxy:git-1"]');
  assert.notDeepEqual(command(second, "mesh-west-images").triggers, command(first, "mesh-west-images").triggers);
  assert.deepEqual(command(second, "mesh-west"), command(first, "mesh-west"));
  assert.ok(!update.asked.some(({ name }) => name.endsWith("-images")), "without a checkout");
});

test("a k3d cluster's DNS answers for its own domain may not be cached; kwok has no DNS", () => {
  const { metadata, data } = one(update, ":ConfigMap", "mesh-east-dns") as Record<string, Properties>;
  assert.deepEqual(metadata, { name: "coredns-custom", namespace: "kube-system" });
  assert.match(
    String(data?.["mesh.server"]),
    /^east\.cluster\.local:53 \{[^]*kubernetes east\.cluster\.local \{[^]*ttl 0\n/,
  );
  assert.equal(
    kwok.asked.some(({ name }) => name === "mesh-east-dns"),
    false,
  );
});

test("a provider's identifier is plain text, and changes exactly when the cluster is another one", () => {
  const identifier = (registration: Registration) =>
    one(registration, "providers:kubernetes", "mesh-east").clusterIdentifier;
  assert.equal(typeof identifier(update), "string");
  assert.equal(identifier(preview), identifier(update));
  assert.notEqual(identifier(kwok), identifier(update));
});

test("one Command applies Linkerd's definitions in a local cluster; in one of yours they are resources", () => {
  const { stdin, triggers, environment } = one(update, "command:local:Command", "mesh-east-crds");
  const packed = JSON.parse(stdin as string) as PackedDefinitions;
  const name = "servers.policy.linkerd.io";
  const definition = JSON.stringify({ ...chartObjects[0], spec: {} });
  assert.deepEqual(unpack(packed), { [name]: definition });
  const digest = createHash("sha256").update(definition).digest("hex");
  assert.deepEqual(packed.digests, { [name]: digest.slice(0, 16) });
  assert.deepEqual([triggers, environment], [["id of mesh-east"], { MESH_CLUSTER_NAME: "east" }]);
  assert.equal(one(preview, "command:local:Command", "mesh-east-crds").stdin, stdin);
  assert.deepEqual(one(yours, ":CustomResourceDefinition", `mesh-east-crds:${name}`).spec, {});
});

test("a chart gives the same resources in local clusters and yours, in previews and updates", () => {
  const named = (registration: Registration) =>
    registration.asked.filter(({ name }) => /^mesh-east-(control-plane|multicluster):/.test(name)).map(({ type, name }) => `${type} ${name}`).sort(); // prettier-ignore
  assert.equal(named(update).length, 8);
  for (const registration of [preview, kwok, yours]) assert.deepEqual(named(registration), named(update));
});

test("a certificate that is not known yet makes one field unknown", () => {
  const config = (registration: Registration) =>
    one(registration, ":ConfigMap", "mesh-east-control-plane:linkerd/linkerd-config").data as Properties;
  assert.equal(config(update).values, 'identityTrustAnchorsPEM: "ROOT\\n"\n');
  assert.equal(config(preview).known, "as it is");
  assert.ok(pulumi.isUnknown(config(preview).values));
});

test("charts are rendered for the Kubernetes of their cluster", () => {
  const flags = (registration: Registration) => [
    ...new Set(registration.told.map(({ args }) => args.replace(/.*--kube-version/, ""))),
  ];
  assert.deepEqual(flags(kwok), [" v1.34.4"]);
  assert.deepEqual(flags(yours), [" v1.33.1 --api-versions v1 --api-versions policy/v1"]);
});

test("a CustomResourceDefinition loses its descriptions and nothing else", () => {
  const schema = (description: Properties, field: Properties) => ({
    ...description,
    type: "object",
    required: ["description", "port"],
    properties: {
      // A field named description is not a description.
      description: { ...field, type: "string" },
      port: { ...field, type: "integer", default: 80, enum: [80, 443], minimum: 0 },
      empty: { nullable: true, default: null, "x-kubernetes-preserve-unknown-fields": true },
    },
  });
  const crd = (description: Properties, field: Properties) => ({
    metadata: { name: "links.multicluster.linkerd.io", annotations: { "helm.sh/resource-policy": "keep" } },
    spec: { versions: [{ name: "v1", served: true, schema: { openAPIV3Schema: schema(description, field) } }] },
  });
  assert.deepEqual(strip(crd({ description: "Long." }, { description: "Longer." })), crd({}, {}));
});
