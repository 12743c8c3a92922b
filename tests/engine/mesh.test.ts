/**
 * The program on the real engine, the real kubernetes provider and real API servers (kwok): brought up, changed, and
 * taken down again. The charts are stand-ins, so this says nothing about Linkerd itself: see offline/charts.
 *
 * The tests share one stack and build on one another, in this order, because bringing it up takes most of the time.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as https from "node:https";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { accessOf } from "../lib/accessReview";
import { Api } from "../lib/api";
import { eventually } from "../lib/eventually";
import { keyReaders, readAsLinkerd, type TlsSecret } from "../lib/keyReaders";
import { readableSecrets } from "../lib/secrets";
import { made, type Outcome, type StateResource, type Step, succeeded, TestStack } from "../lib/stack";

interface Outputs {
  runtime: string;
  clusters: Record<string, { context: string; domain: string; gateway: string; apiServer: string }>;
  links: { source: string; target: string }[];
  mirrors: Record<string, string[]>;
  curl: string[];
  kubeconfigs: Record<string, string>;
}

let stack: TestStack;
let up: Outcome;
/** Every host port that the stack's clusters have had. */
const ports: number[] = [];
const cluster: Record<string, Api> = {};

before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok" });
});
after(async () => {
  await stack.end();
});

/** Reads the addresses of the present clusters. */
async function look(): Promise<Outputs> {
  const outputs = await stack.outputs<Outputs>({ showSecrets: true });
  const base = Number(new URL(outputs.clusters.east?.apiServer ?? "").port);
  ports.push(...Array.from({ length: 12 }, (_, i) => base + i));
  for (const [name, kubeconfig] of Object.entries(outputs.kubeconfigs)) cluster[name] = new Api(kubeconfig);
  return outputs;
}

function api(name: "east" | "west"): Api {
  const found = cluster[name];
  assert.ok(found, `cluster ${name} is not known`);
  return found;
}

test("bad settings are refused together, before anything is created", async () => {
  const bad = {
    "mesh:clusters": ["east", "west", "West", "east"],
    "mesh:links": [{ source: "east", target: "north" }],
    "mesh:portBase": 80,
  };
  stack.configure(bad);
  stack.editManifest("east/curl.yaml", (text) => `${text}kind: Deployment\n`);
  const refused = await stack.up();
  stack.configure({ "mesh:clusters": undefined, "mesh:links": undefined, "mesh:portBase": undefined });
  stack.editManifest("east/curl.yaml", (text) => text.replace(/kind: Deployment\n$/, ""));

  assert.equal(refused.ok, false);
  assert.match(refused.output, /nothing was created, because:/);
  for (const problem of [
    /clusters\[2\] is "West"/,
    /clusters\[3\] is "east"/,
    /links\[0\]\.target is /,
    /portBase is 80/,
  ]) {
    assert.match(refused.output, problem);
  }
  assert.match(refused.output, /manifests is "manifests"; east\/curl\.yaml:19: .+ Next: edit that line/);
  assert.doesNotMatch(refused.output, /^ +at .*\(/m, "a stack trace");
  assert.deepEqual(made(await stack.export()), []);
  assert.deepEqual(await stack.leftovers([]), []);
});

test("one up brings the mesh up from nothing", async () => {
  up = succeeded(await stack.up());
  // The stack itself exists since the refused try.
  assert.deepEqual(Object.keys(up.summary).sort(), ["create", "same"]);
  const outputs = await look();
  const context = (name: string) => `kwok-${stack.name}-${name}`;
  assert.equal(outputs.runtime, "kwok");
  assert.deepEqual(
    Object.entries(outputs.clusters).map(([name, one]) => [name, one.context, one.domain]),
    ["east", "west"].map((name) => [name, context(name), `${name}.cluster.local`]),
  );
  assert.deepEqual(outputs.mirrors["east->west"]?.slice(-4), [
    "nginx-svc-west",
    ...[0, 1, 2].map((i) => `nginx-set-${i}-west`),
  ]);
  assert.deepEqual(stack.contexts().sort(), [context("east"), context("west")]);

  const [link, nginx, curl] = await Promise.all([
    api("east").get("/apis/multicluster.linkerd.io/v1alpha3/namespaces/linkerd-multicluster/links/west"),
    api("west").get<{ status: { readyReplicas: number } }>("/apis/apps/v1/namespaces/default/statefulsets/nginx-set"),
    api("east").get<{ status: { readyReplicas: number } }>("/apis/apps/v1/namespaces/default/deployments/curl"),
  ]);
  assert.equal(link.body.spec?.targetClusterDomain, "west.cluster.local");
  assert.deepEqual([nginx.body.status.readyReplicas, curl.body.status.readyReplicas], [3, 1]);
});

const clustersDirectory = () => path.join(stack.home.directory, ".local/share/linkerd-multicluster-mesh");

test("the kubeconfigs on this machine are for their owner only", () => {
  for (const file of [
    path.join(stack.home.directory, ".kube/config"),
    ...["east", "west"].map((name) => path.join(clustersDirectory(), `${stack.name}-${name}`, "kubeconfig")),
  ]) {
    assert.equal(fs.statSync(file).mode & 0o777, 0o600, file);
  }
});

test("a remote account may do what the service mirror needs, and nothing else", async (t) => {
  const agent = new https.Agent({ keepAlive: true });
  const { kubeconfigs } = await stack.outputs<Outputs>({ showSecrets: true });
  const account = { namespace: "linkerd-multicluster", name: "linkerd-service-mirror-east" };
  const namespaces = ["default", "kube-system", "linkerd", "linkerd-multicluster"];
  const { allowed, asked } = await accessOf(new Api(kubeconfigs.west ?? "", agent), account, namespaces);
  agent.destroy();
  t.diagnostic(`${asked} questions`);
  assert.ok(asked > 5_000);
  const watched = [
    ...["endpoints", "pods", "services"],
    ...["endpointslices.discovery.k8s.io", "jobs.batch", "replicasets.apps", "servers.policy.linkerd.io"],
  ];
  const mirrors = [
    ...watched.flatMap((resource) => ["get", "list", "watch"].map((verb) => `${verb} ${resource}`)),
    ...["create events", "patch events", "get configmaps linkerd-config in linkerd"],
  ];
  // Kubernetes lets every authenticated user ask about itself.
  const everyones = [
    "create selfsubjectaccessreviews.authorization.k8s.io",
    "create selfsubjectreviews.authentication.k8s.io",
    "create selfsubjectrulesreviews.authorization.k8s.io",
  ];
  assert.deepEqual(allowed, [...mirrors, ...everyones].sort());
});

test("up again changes nothing, and reuses the rendered charts", async () => {
  const directory = path.join(stack.home.directory, ".cache/linkerd-multicluster-mesh/rendered");
  const rendered = () =>
    fs.readdirSync(directory).map((file) => [file, fs.statSync(path.join(directory, file)).mtimeMs]);
  const before = rendered();
  const again = succeeded(await stack.up());
  assert.deepEqual(again.changes, []);
  assert.deepEqual(Object.keys(again.summary), ["same"]);
  assert.deepEqual(
    before.map(([file]) => String(file).replace(/-[0-9a-f]+\.json$/, "")),
    ["east", "west"].flatMap((name) =>
      ["control-plane", "crds", "multicluster"].map((chart) => `mesh-${name}-${chart}`),
    ),
  );
  assert.deepEqual(rendered(), before);
});

/** The end of a URN: type and name. */
const short = (urn: string) => `${urn.split("::")[2]?.split("$").at(-1)} ${urn.split("::").at(-1)}`;

class State {
  private readonly byUrn: Map<string, StateResource>;

  constructor(readonly resources: StateResource[]) {
    this.byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  }

  /** The objects in a cluster, by their provider: `mesh-east` or `mesh-west`. */
  inClusters(): { resource: StateResource; clusterName: string }[] {
    return this.resources.flatMap((resource) => {
      const provider = /::pulumi:providers:kubernetes::(mesh-\w+)::/.exec(
        (resource.provider ?? "").replace(/\S*\$/, "::"),
      );
      return provider?.[1] ? [{ resource, clusterName: provider[1] }] : [];
    });
  }

  get(name: string): StateResource {
    const found = this.resources.filter(({ urn }) => short(urn) === name);
    assert.equal(found.length, 1, `${name} stands ${found.length} times in the state`);
    return found[0] as StateResource;
  }

  /** Parents, nearest first. */
  ancestors({ parent }: StateResource): string[] {
    const found = parent === undefined ? undefined : this.byUrn.get(parent);
    return found ? [short(found.urn), ...this.ancestors(found)] : [];
  }

  /** Everything that must exist before a resource is made. */
  needs(resource: StateResource, known = new Set<string>()): Set<string> {
    for (const urn of resource.dependencies ?? []) {
      const dependency = this.byUrn.get(urn);
      if (!dependency || known.has(short(urn))) continue;
      known.add(short(urn));
      this.needs(dependency, known);
    }
    return known;
  }
}

test("state: every object in a cluster is deleted with it, and is a descendant of the mesh", async () => {
  const state = new State(await stack.export());
  const inClusters = state.inClusters();
  assert.ok(inClusters.length > 100, `${inClusters.length} objects in clusters`);
  for (const { resource, clusterName } of inClusters) {
    const cluster = state.resources.find(({ urn }) => urn === resource.deletedWith);
    assert.ok(cluster, `${short(resource.urn)} outlives its cluster`);
    assert.equal(cluster.type, "command:local:Command");
    assert.equal(state.ancestors(cluster)[0], `mesh:index:KwokCluster ${clusterName}`);
  }
  for (const resource of state.resources) {
    if (/^pulumi:(pulumi:Stack|providers:(?!kubernetes))/.test(resource.type)) continue;
    const chain = [short(resource.urn), ...state.ancestors(resource)];
    assert.ok(chain.includes("mesh:index:Mesh mesh"), `${chain.join(" in ")} is not of the mesh`);
  }
});

test("state: every resource waits for what it needs", async () => {
  const state = new State(await stack.export());
  const before = (later: string, ...earlier: string[]) => {
    const needs = state.needs(state.get(later));
    for (const name of earlier) assert.ok(needs.has(name), `${later} does not wait for ${name}`);
  };
  const chart = (name: string) => `mesh:index:Objects ${name}`;
  const identity = (name: string) =>
    `kubernetes:apps/v1:Deployment mesh-${name}-control-plane:linkerd/linkerd-identity`;
  const gateway = "kubernetes:apps/v1:Deployment mesh-east-multicluster:linkerd-multicluster/linkerd-gateway";
  before(
    chart("mesh-east-control-plane"),
    "command:local:Command mesh-east-crds",
    "kubernetes:core/v1:Namespace mesh-east",
  );
  const ofGateway = (type: string) => `kubernetes:${type} mesh-east-multicluster:linkerd-multicluster/linkerd-gateway`;
  before(gateway, identity("east"));
  before(ofGateway("core/v1:Service"), identity("east"));
  const early = state.needs(state.get(ofGateway("core/v1:ServiceAccount")));
  assert.ok(!early.has(identity("east")), "the gateway's account waits for the control plane");
  before(gateway, "kubernetes:core/v1:ServiceAccount mesh-east-multicluster:linkerd-multicluster/linkerd-gateway");
  before(chart("mesh-west-workloads"), identity("west"));
  before(
    "kubernetes:core/v1:Secret mesh-east-to-west",
    "kubernetes:core/v1:ServiceAccount mesh-east-to-west",
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding mesh-east-to-west",
  );
  before(
    "kubernetes:multicluster.linkerd.io/v1alpha3:Link mesh-east-to-west",
    "kubernetes:core/v1:Secret mesh-east-to-west-mirror",
    "kubernetes:core/v1:Secret mesh-east-to-west-destination",
    "kubernetes:core/v1:Secret mesh-east-to-west",
    "command:local:Command mesh-east-to-west-mirror-cleanup",
    gateway,
  );
});

test("state: only a link waits for the other cluster", async () => {
  const state = new State(await stack.export());
  for (const { resource, clusterName } of state.inClusters()) {
    if (state.ancestors(resource).some((parent) => parent.startsWith("mesh:index:MulticlusterLink"))) continue;
    const other = clusterName === "mesh-east" ? "mesh-west" : "mesh-east";
    const foreign = [...state.needs(resource)].filter((name) => name.split(" ")[1]?.startsWith(other));
    assert.deepEqual(foreign, [], `${short(resource.urn)} waits for ${other}`);
  }
});

test("no key, token or kubeconfig is readable in the state, the outputs or the engine's messages", async () => {
  assert.deepEqual(readableSecrets(await stack.exportText()), []);
  assert.deepEqual(readableSecrets(JSON.stringify(await stack.outputs())), []);
  assert.deepEqual(readableSecrets(up.output), []);
  assert.deepEqual(readableSecrets(up.log), []);
  // The search does find secrets.
  const opened = readableSecrets(await stack.exportText({ showSecrets: true }));
  assert.deepEqual([...new Set(opened.map((found) => found.slice(0, 3)))].sort(), ["PRI", "cli", "cur", "eyJ"]);
});

test("each key that Linkerd reads has its reader's encoding, and belongs to its certificate", async () => {
  for (const name of ["east", "west"] as const) {
    const path = "/api/v1/namespaces/linkerd/secrets?fieldSelector=type%3Dkubernetes.io/tls";
    const secrets = (await api(name).list(path)) as unknown as TlsSecret[];
    assert.deepEqual(secrets.map(({ metadata }) => metadata.name).sort(), Object.keys(keyReaders).sort());
    for (const secret of secrets) readAsLinkerd(secret);
  }
});

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

test("no CustomResourceDefinition has descriptions, and one Command has Linkerd's own, packed", async () => {
  for (const name of ["east", "west"] as const) {
    const all = await api(name).list(definitions);
    const owned = all.filter(({ metadata }) => metadata.name.endsWith("linkerd.io"));
    assert.ok(owned.length >= 10, owned.map(({ metadata }) => metadata.name).join());
    for (const { metadata, spec } of all) assert.doesNotMatch(JSON.stringify(spec), /"description":"/, metadata.name);
  }
  const kinds = (await stack.export()).filter(({ type }) => type.endsWith(":CustomResourceDefinition"));
  assert.deepEqual(
    kinds.map(({ urn }) => short(urn).split(" ")[1]).sort(),
    ["east", "west"].map((name) => `mesh-${name}-multicluster:links.multicluster.linkerd.io`),
  );
});

test("a preview of a changed chart of definitions names them; the update removes missing ones", async () => {
  const charts = path.join(stack.checkout, "charts");
  fs.cpSync(path.join(__dirname, "../../offline/charts"), charts, { recursive: true });
  const file = path.join(charts, "linkerd-crds/files/crds.yaml");
  const text = fs.readFileSync(file, "utf8");
  fs.writeFileSync(
    file,
    text.replace(/^linkerd\.io:\n.*\n/m, "").replace("shortNames: [srv]", "shortNames: [srv, serv]"),
  );
  stack.configure({ "mesh:chartDirectory": "charts" });
  const preview = succeeded(await stack.preview("--diff"));
  const crds = ["east", "west"].map((name) => `update mesh-${name}-crds`);
  const steps = ({ changes }: Outcome) => changes.map(({ op, name }) => `${op} ${name}`).sort();
  assert.deepEqual(steps(preview), crds);
  assert.match(preview.output, /- serviceprofiles\.linkerd\.io/);
  assert.match(preview.output, /~ servers\.policy\.linkerd\.io/);
  assert.doesNotMatch(preview.output, /[-~] meshtlsauthentications/);

  const found = async (name: string) => (await api("west").get(`${definitions}/${name}`)).status;
  assert.deepEqual(steps(succeeded(await stack.up())), crds);
  assert.equal(await found("serviceprofiles.linkerd.io"), 404);
  const { body } = await api("west").get(`${definitions}/servers.policy.linkerd.io`);
  assert.deepEqual((body.spec?.names as { shortNames: string[] }).shortNames, ["srv", "serv"]);

  stack.configure({ "mesh:chartDirectory": undefined });
  assert.deepEqual(steps(succeeded(await stack.up())), crds);
  assert.equal(await found("serviceprofiles.linkerd.io"), 200);
  // The extension's definitions are resources of its own chart. They and the Gateway API's stay.
  assert.equal(await found("links.multicluster.linkerd.io"), 200);
  assert.equal(await found("httproutes.gateway.networking.k8s.io"), 200);
});

test("a preview of a changed manifest shows exactly its diff", async () => {
  stack.editManifest("west/nginx-statefulset.yaml", (text) => text.replace("replicas: 3", "replicas: 5"));
  const { changes } = succeeded(await stack.preview());
  assert.deepEqual(
    changes.map(({ op, type, name, diff }) => ({ op, type, name: name.split(":").at(-1), diff })),
    [{ op: "update", type: "kubernetes:apps/v1:StatefulSet", name: "default/nginx-set", diff: ["spec.replicas"] }],
  );
});

test("changed replicas are updated in place, and the outputs list the new mirrors", async () => {
  const statefulSet = "/apis/apps/v1/namespaces/default/statefulsets/nginx-set";
  const old = await api("west").get(statefulSet);
  const { changes } = succeeded(await stack.up());
  assert.deepEqual(
    changes.map(({ op, type }) => [op, type]),
    [["update", "kubernetes:apps/v1:StatefulSet"]],
  );
  const now = await api("west").get<{ metadata: { uid: string }; status: { readyReplicas: number } }>(statefulSet);
  assert.equal(now.body.metadata.uid, old.body.metadata.uid);
  assert.equal(now.body.status.readyReplicas, 5);
  const { mirrors } = await stack.outputs<Outputs>();
  assert.ok(mirrors["east->west"]?.includes("nginx-set-4-west"));
});

const services = "/api/v1/namespaces/default/services";
const mirror = (name: string, link: string, mirrored = "true") => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: {
    name,
    labels: { "mirror.linkerd.io/mirrored-service": mirrored, "mirror.linkerd.io/cluster-name": link },
  },
  spec: { ports: [{ port: 80 }] },
});

const account = (source: string) =>
  `/api/v1/namespaces/linkerd-multicluster/serviceaccounts/linkerd-service-mirror-${source}`;

test("removing a link removes its objects and its leftover mirrors, and nothing else", async () => {
  // No mirror runs here. The test makes the mirrors that it would have left, and others that are not the link's.
  await api("west").create(services, mirror("web-east", "east"));
  await api("west").create(services, mirror("web-north", "north"));
  await api("west").create(services, mirror("not-mirrored", "east", "false"));
  await api("east").create(services, mirror("nginx-svc-west", "west"));
  stack.configure({ "mesh:links": [{ source: "east", target: "west" }] });
  const { changes } = succeeded(await stack.up());

  // Its own component, and what the source's chart renders for its controller.
  const ofTheLink = ({ name }: Step) => /^mesh-west-to-east(-|$)|^mesh-west-multicluster:.*-east$/.test(name);
  const deleted = changes.filter(({ op }) => op === "delete");
  assert.deepEqual(
    deleted.filter((step) => !ofTheLink(step)).map(({ urn }) => short(urn)),
    [],
  );
  assert.deepEqual(
    changes.filter(({ op }) => op !== "delete").map(({ op, urn }) => `${op} ${short(urn)}`),
    [],
  );
  const names = deleted.map(({ urn }) => short(urn));
  for (const object of ["Secret", "ServiceAccount", "Command", "Link", "Deployment"]) {
    assert.ok(
      names.some((name) => name.split(" ")[0]?.endsWith(`:${object}`)),
      `no ${object} among ${names.join(", ")}`,
    );
  }

  const serviceNames = async (name: "east" | "west") =>
    (await api(name).list(services)).map(({ metadata }) => metadata.name);
  const inWest = await serviceNames("west");
  assert.ok(!inWest.includes("web-east"), "the link's mirror was left behind");
  assert.ok(inWest.includes("web-north") && inWest.includes("not-mirrored") && inWest.includes("nginx-svc"));
  assert.ok((await serviceNames("east")).includes("nginx-svc-west"), "a mirror of the other link was removed");

  const links = "/apis/multicluster.linkerd.io/v1alpha3/namespaces/linkerd-multicluster/links";
  const linkNames = async (name: "east" | "west") => (await api(name).list(links)).map(({ metadata }) => metadata.name);
  assert.deepEqual([await linkNames("east"), await linkNames("west")], [["west"], []]);
  assert.equal((await api("east").get(account("west"))).status, 404);
  assert.equal((await api("west").get(account("east"))).status, 200);
});

test("a new link waits for its token, however late the target's controllers start", async () => {
  const controllers = (await stack.processes()).find(
    ({ command }) => /^\S*kube-controller-manager /.test(command) && command.includes(`${stack.name}-east/`),
  );
  assert.ok(controllers, "no kube-controller-manager of east");
  const secret = "/api/v1/namespaces/linkerd-multicluster/secrets/linkerd-service-mirror-west-token";
  stack.configure({ "mesh:links": [{ source: "east", target: "west" }, { source: "west", target: "east" }] }); // prettier-ignore
  process.kill(controllers.pid, "SIGSTOP");
  const running = stack.up();
  try {
    await eventually(async () => assert.equal((await api("east").get(secret)).status, 200));
    // Longer than the five seconds of the provider's own wait.
    await sleep(8_000);
    assert.equal((await api("east").get<{ data?: unknown }>(secret)).body.data, undefined);
  } finally {
    process.kill(controllers.pid, "SIGCONT");
  }
  succeeded(await running);
  assert.equal((await api("east").get(account("west"))).status, 200);
});

test("another checkout's stack of the same name is refused, and names the owner", async () => {
  const other = await TestStack.create({ "mesh:runtime": "kwok" }, stack);
  try {
    const refused = await other.up();
    assert.equal(refused.ok, false);
    assert.match(
      refused.output,
      new RegExp(`kwok cluster ${stack.name}-east belongs to stack ${stack.name} of ${stack.checkout}`),
    );
    assert.match(
      refused.output,
      new RegExp(`this is stack ${stack.name} of ${other.checkout}; it is left alone\\. Next: `),
    );
    assert.deepEqual(made(await other.export()), []);
  } finally {
    await other.end();
  }
  assert.equal(stack.contexts().length, 2);
  assert.equal((await api("east").get("/api/v1/namespaces/linkerd")).status, 200);
});

test("other ports and another domain replace the clusters, with everything in them", async () => {
  const old = [...ports];
  const portBase = Math.max(...old) + 1;
  stack.configure({ "mesh:portBase": portBase, "mesh:orgDomain": "example.org" });
  succeeded(await stack.up());
  const outputs = await look();
  assert.deepEqual(
    Object.values(outputs.clusters).map(({ apiServer }) => apiServer),
    [`https://127.0.0.1:${portBase}`, `https://127.0.0.1:${portBase + 6}`],
  );
  const link = await api("east").get(
    "/apis/multicluster.linkerd.io/v1alpha3/namespaces/linkerd-multicluster/links/west",
  );
  assert.equal(link.body.spec?.targetClusterDomain, "west.example.org");
  const nginx = await api("west").get<{ status: { readyReplicas: number } }>(
    "/apis/apps/v1/namespaces/default/statefulsets/nginx-set",
  );
  assert.equal(nginx.body.status.readyReplicas, 5);
  const left = await stack.leftovers(old);
  assert.deepEqual(
    left.filter((one) => one.startsWith("port")),
    [],
  );
  assert.equal(stack.contexts().length, 2);
  assert.deepEqual(succeeded(await stack.preview()).changes, []);
});

test("destroy leaves no process, port, file or context", async () => {
  assert.notDeepEqual(await stack.leftovers(ports), []);
  succeeded(await stack.destroy());
  assert.deepEqual(await stack.export(), []);
  assert.deepEqual(await stack.leftovers(ports), []);
});
