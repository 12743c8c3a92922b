/** From a stack's name and settings to the plan: names, ports, trust, links, mirrors. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { ClusterManifests, Manifest } from "../../config/manifests";
import { makePlan, type Plan } from "../../config/plan";
import { checkSettings, type RawSettings, RefusedError, type Settings } from "../../config/settings";
import { type Restarts, restartsOf } from "../../config/trust";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "plan-test-"));
after(() => fs.rmSync(root, { recursive: true }));
fs.mkdirSync(path.join(root, "manifests"));

function settings(raw: RawSettings, manifests: ClusterManifests = {}): Settings {
  const checked = checkSettings(raw, root);
  return { ...checked, manifests: { ...checked.manifests, ...manifests } };
}

/** The plan, or undefined if the settings or the stack are refused. */
function planned(stack: string, raw: RawSettings, manifests?: ClusterManifests): Plan | undefined {
  try {
    return makePlan(stack, settings(raw, manifests));
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

function refusals(stack: string, raw: RawSettings, manifests?: ClusterManifests): string[] {
  const given = settings(raw, manifests);
  try {
    makePlan(stack, given);
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    return error.problems;
  }
  return [];
}

const statefulSet = (name: string, serviceName: string, replicas?: number, namespace?: string): Manifest => ({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name, namespace },
  spec: { serviceName, replicas },
});

const service = (name: string, spec: Record<string, unknown>, exported = "true", namespace?: string): Manifest => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace, labels: { "mirror.linkerd.io/exported": exported } },
  spec,
});

const federated = (name: string): Manifest => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, labels: { "mirror.linkerd.io/federated": "member" } },
  spec: { ports: [{ port: 80 }] },
});

const headless = { clusterIP: "None", ports: [{ port: 80 }] };

test("stack dev has the demo's names and ports", () => {
  const plan = makePlan("dev", settings({}));
  assert.equal(plan.network, "multicluster-example");
  assert.deepEqual(
    plan.clusters.map(({ physicalName, context, domain, ports }) => ({ physicalName, context, domain, ports })),
    [
      { physicalName: "east", context: "k3d-east", domain: "east.cluster.local", ports: [6440] },
      { physicalName: "west", context: "k3d-west", domain: "west.cluster.local", ports: [6441] },
    ],
  );
});

test("another stack has the same names in the mesh and others outside", () => {
  const plan = makePlan("alice", settings({ runtime: "kwok" }));
  assert.equal(plan.network, "alice-multicluster-example");
  assert.deepEqual(
    plan.clusters.map(({ name, physicalName, context, domain }) => ({ name, physicalName, context, domain })),
    [
      { name: "east", physicalName: "alice-east", context: "kwok-alice-east", domain: "east.cluster.local" },
      { name: "west", physicalName: "alice-west", context: "kwok-alice-west", domain: "west.cluster.local" },
    ],
  );
});

test("existing clusters keep their own context and domain, whatever the stack is called", () => {
  const existing = {
    east: { context: "arn:aws:eks:eu-west-1:111122223333:cluster/east" },
    west: { context: "b", domain: "b.example" },
  };
  const plan = makePlan("A Stack of_Mine", settings({ runtime: "existing", existing }));
  assert.deepEqual(
    plan.clusters.map(({ context, domain, ports }) => ({ context, domain, ports })),
    [
      { context: existing.east.context, domain: "cluster.local", ports: [] },
      { context: "b", domain: "b.example", ports: [] },
    ],
  );
});

test("a cluster may have the name of a property that every JavaScript object has", () => {
  const plan = makePlan("dev", settings({ runtime: "kwok", clusters: ["constructor"] }));
  assert.equal(plan.clusters[0]?.domain, "constructor.cluster.local");
});

test("links connect the planned clusters, and each source knows its targets", () => {
  const links = [
    { source: "a", target: "b" },
    { source: "a", target: "c" },
    { source: "c", target: "a" },
  ];
  const plan = makePlan("dev", settings({ clusters: ["a", "b", "c"], links }));
  assert.deepEqual(
    plan.clusters.map(({ targets }) => targets),
    [["b", "c"], [], ["a"]],
  );
  for (const { source, target } of plan.links) {
    assert.ok(plan.clusters.includes(source) && plan.clusters.includes(target));
  }
  assert.deepEqual(
    plan.links.map(({ source, target }) => ({ source: source.name, target: target.name })),
    links,
  );
});

function restarts(raw: RawSettings): Restarts {
  const { trustAnchors, issuerGeneration } = settings(raw);
  return restartsOf({ anchors: trustAnchors, issuerGeneration });
}

test("the control plane restarts with every change of certificates, and with nothing else", () => {
  const fingerprint = (raw: RawSettings) => restarts(raw).controlPlane;
  const rotation = [
    {},
    { issuerGeneration: 2 },
    { trustAnchors: [1, 2] },
    { trustAnchors: [2, 1] },
    { trustAnchors: [2] },
  ];
  assert.equal(new Set(rotation.map(fingerprint)).size, rotation.length);
  assert.equal(fingerprint({ proxyLogLevel: "debug", orgDomain: "example.org" }), fingerprint({}));
});

test("other pods do not restart when both anchors are trusted and another one signs", () => {
  const fingerprint = (raw: RawSettings) => restarts(raw).dataPlane;
  assert.equal(fingerprint({ trustAnchors: [1, 2] }), fingerprint({ trustAnchors: [2, 1] }));
  const rotation = [{}, { issuerGeneration: 2 }, { trustAnchors: [2, 1] }, { trustAnchors: [2] }];
  assert.equal(new Set(rotation.map(fingerprint)).size, rotation.length);
  assert.equal(fingerprint({}), restarts({}).controlPlane);
});

const shortStack = (stack: string) =>
  new RegExp(`^stack is "${stack}"; allowed: a-z, 0-9 and .* Next: npm start -- <name>, or pulumi stack init <name>$`);
const refused: { title: string; stack: string; raw: RawSettings; manifests?: ClusterManifests; problem: RegExp }[] = [
  { title: "a stack with a capital letter", stack: "Alice", raw: {}, problem: shortStack("Alice") },
  { title: "a stack with an underscore", stack: "my_stack", raw: {}, problem: shortStack("my_stack") },
  { title: "a stack with a dot", stack: "v1.2", raw: { runtime: "kwok" }, problem: shortStack("v1\\.2") },
  { title: "a stack with two - side by side", stack: "a--b", raw: {}, problem: shortStack("a--b") },
  { title: "a stack that ends with -", stack: "a-", raw: {}, problem: shortStack("a-") },
  { title: "a stack that begins with -", stack: "-a", raw: {}, problem: shortStack("-a") },
  {
    title: "a stack whose name is too long for k3d",
    stack: "a-feature-branch-of-somebody",
    raw: {},
    problem:
      /\(a-feature-branch-of-somebody-east\) at most 32 characters\. Next: npm start -- <name>, or pulumi stack init <name>$/,
  },
  {
    title: "ports beyond the last one",
    stack: "dev",
    raw: { runtime: "kwok", portBase: 65_000, clusters: Array.from({ length: 100 }, (_, i) => `c${i}`), links: [] },
    problem:
      /^portBase is 65000; allowed: low enough that cluster c89's ports .* are below 65536\. Next: pulumi config set portBase <value>$/,
  },
  {
    title: "a service whose mirror's name is longer than Kubernetes takes",
    stack: "dev",
    raw: {},
    manifests: { west: [service("s".repeat(59), headless)] },
    problem:
      /^Service s{59}: a mirror would be named s{59}-west \(64 characters\); allowed: at most 63.* Next: shorten its name, or the cluster's$/,
  },
  {
    title: "a pod whose mirror's name is longer than Kubernetes takes",
    stack: "dev",
    raw: {},
    manifests: { west: [service("s", headless), statefulSet("p".repeat(56), "s", 11)] },
    problem: /p{56}-10-west \(64 characters\)/,
  },
  {
    title: "an export label that exports nothing",
    stack: "dev",
    raw: {},
    manifests: { west: [service("s", headless, "yes")] },
    problem: /exported of Service s is "yes"; allowed: "true", "remote-discovery", "false"\. Next: edit that line$/,
  },
  {
    title: "a headless service whose pods listen on another port",
    stack: "dev",
    raw: {},
    manifests: {
      west: [service("s", { clusterIP: "None", ports: [{ port: 80, targetPort: 8080 }] }), statefulSet("p", "s")],
    },
    problem: /port 80 of the headless Service s has targetPort 8080; allowed: the same number.* Next: port: 8080$/,
  },
  {
    title: "a headless service whose pods listen on another port, by name",
    stack: "dev",
    raw: {},
    manifests: {
      west: [
        service("s", { clusterIP: "None", ports: [{ port: 80, targetPort: "http" }] }),
        {
          ...statefulSet("p", "s"),
          spec: {
            serviceName: "s",
            template: { spec: { containers: [{ ports: [{ name: "http", containerPort: 8080 }] }] } },
          },
        },
      ],
    },
    problem: /has targetPort http; allowed: the same number.* Next: port: 8080$/,
  },
  {
    title: "mirrors of two clusters with one name",
    stack: "dev",
    raw: { clusters: ["hub", "east", "us-east"] },
    manifests: { east: [service("db-us", headless)], "us-east": [service("db", headless)] },
    problem:
      /^Service db: in cluster hub the mirror of Service db of us-east \(.*\) would be named default\/db-us-east, and Service db-us of east \(.*\) has that name there; .* Next: rename one of them$/,
  },
  {
    title: "a mirror with the name of a Service that the source has",
    stack: "dev",
    raw: {},
    manifests: { east: [service("s-west", headless, "false")], west: [service("s", headless)] },
    problem: /in cluster east the mirror of Service s of west .* named default\/s-west, and Service s-west of east/,
  },
];

for (const { title, stack, raw, manifests, problem } of refused) {
  test(`refused: ${title}`, () => {
    const problems = refusals(stack, raw, manifests);
    assert.ok(
      problems.some((candidate) => problem.test(candidate)),
      problems.join("\n"),
    );
  });
}

test("the longest mirror name that Kubernetes accepts is not refused", () => {
  assert.deepEqual(refusals("dev", {}, { west: [service("s".repeat(58), headless)] }), []);
});

const mirrorCases: { title: string; manifests: Manifest[]; mirrors: string[]; hosts: string[] }[] = [
  {
    title: "a headless service gives one mirror, and one for every pod of its StatefulSet",
    manifests: [service("nginx-svc", headless), statefulSet("nginx-set", "nginx-svc", 2)],
    mirrors: ["nginx-svc-west", "nginx-set-0-west", "nginx-set-1-west"],
    hosts: [
      "nginx-set-0.nginx-svc-west.default.svc.east.cluster.local:80",
      "nginx-set-1.nginx-svc-west.default.svc.east.cluster.local:80",
      "nginx-svc-west.default.svc.east.cluster.local:80",
    ],
  },
  {
    title: "a StatefulSet has one pod where it does not say how many",
    manifests: [service("s", headless), statefulSet("p", "s")],
    mirrors: ["s-west", "p-0-west"],
    hosts: ["p-0.s-west.default.svc.east.cluster.local:80", "s-west.default.svc.east.cluster.local:80"],
  },
  {
    title: "a headless service without a StatefulSet is mirrored as an ordinary one",
    manifests: [service("s", headless)],
    mirrors: ["s-west"],
    hosts: [],
  },
  {
    title: "a headless service without ports is not mirrored",
    manifests: [service("s", { clusterIP: "None" }), statefulSet("p", "s", 2)],
    mirrors: [],
    hosts: [],
  },
  {
    title: "an ordinary service gives its pods no names",
    manifests: [service("s", { ports: [{ port: 80 }] }), statefulSet("p", "s", 2)],
    mirrors: ["s-west"],
    hosts: [],
  },
  {
    title: "what is not exported is not mirrored",
    manifests: [service("s", headless, "false"), statefulSet("p", "s", 2)],
    mirrors: [],
    hosts: [],
  },
  {
    title: "a service found by remote discovery has one mirror",
    manifests: [service("s", { ports: [{ port: 80 }] }, "remote-discovery")],
    mirrors: ["s-west"],
    hosts: [],
  },
  {
    title: "a federated service has the same name everywhere",
    manifests: [federated("s")],
    mirrors: ["s-federated"],
    hosts: [],
  },
  {
    title: "ordinals that do not begin at 0, and replicas without a number",
    manifests: [
      service("s", headless),
      { ...statefulSet("p", "s"), spec: { serviceName: "s", replicas: null, ordinals: { start: 5 } } },
    ],
    mirrors: ["s-west", "p-5-west"],
    hosts: ["p-5.s-west.default.svc.east.cluster.local:80", "s-west.default.svc.east.cluster.local:80"],
  },
  {
    title: "several ports, of which UDP ones are not shown",
    manifests: [
      service("s", {
        clusterIP: "None",
        ports: [{ port: 80 }, { port: 53, protocol: "UDP" }, { port: 81, targetPort: 81 }],
      }),
      statefulSet("p", "s"),
    ],
    mirrors: ["s-west", "p-0-west"],
    hosts: [
      "p-0.s-west.default.svc.east.cluster.local:80",
      "s-west.default.svc.east.cluster.local:80",
      "p-0.s-west.default.svc.east.cluster.local:81",
      "s-west.default.svc.east.cluster.local:81",
    ],
  },
  {
    title: "equal names in two namespaces",
    manifests: [service("s", headless), service("s", headless, "true", "shop")],
    mirrors: ["s-west", "shop/s-west"],
    hosts: [],
  },
  {
    title: "a StatefulSet of another namespace is another one",
    manifests: [service("s", headless, "true", "shop"), statefulSet("p", "s", 2), statefulSet("q", "s", 1, "shop")],
    mirrors: ["shop/s-west", "shop/q-0-west"],
    hosts: ["q-0.s-west.shop.svc.east.cluster.local:80", "s-west.shop.svc.east.cluster.local:80"],
  },
];

for (const { title, manifests, mirrors, hosts } of mirrorCases) {
  test(`mirrors: ${title}`, () => {
    const plan = makePlan("dev", settings({ network: "flat" }, { west: manifests }));
    assert.deepEqual(plan.mirrors, { "east->west": mirrors, "west->east": [] });
    assert.deepEqual(plan.hosts, { "east->west": hosts, "west->east": [] });
  });
}

test("services of one name in several clusters make one federated service, and one name in two namespaces is two", () => {
  const shop = service("s-west", headless, "false", "shop");
  const manifests = {
    east: [federated("s"), shop],
    west: [federated("s"), service("s", headless)],
    north: [federated("s")],
  };
  assert.deepEqual(refusals("dev", { clusters: ["east", "west", "north"], network: "flat" }, manifests), []);
});

test("namespaces that are named and not made are planned, also where a service of theirs is mirrored", () => {
  const made: Manifest = { apiVersion: "v1", kind: "Namespace", metadata: { name: "own" } };
  const plan = makePlan(
    "dev",
    settings(
      { clusters: ["east", "west", "hub"], links: [{ source: "east", target: "west" }] },
      {
        east: [made, service("a", headless, "false", "own"), service("b", headless, "false", "kube-system")],
        west: [service("s", headless, "true", "shop"), service("t", headless, "false", "private")],
      },
    ),
  );
  assert.deepEqual(plan.namespaces, { east: ["shop"], west: ["private", "shop"], hub: [] });
});

const runtime = fc.constantFrom("k3d", "kwok");
const clusterName = fc.oneof(
  fc.constantFrom("east", "west", "a", "a-east", "b-west"),
  fc.stringMatching(/^[a-z0-9]{1,5}(-[a-z0-9]{1,4}){0,2}$/),
);
const clusters = fc.uniqueArray(clusterName, { minLength: 1, maxLength: 5 });
const stackName = fc.oneof(
  fc.constantFrom("dev", "a", "a-b", "alice", "alice-a", "rehearsal", "multicluster"),
  fc.stringMatching(/^[a-z0-9]{1,5}(-[a-z0-9]{1,4}){0,2}$/),
);

test("property: two stacks never share a physical name, context or network", () => {
  const of = (plan: Plan | undefined) =>
    plan ? [...plan.clusters.flatMap(({ physicalName, context }) => [physicalName, context]), plan.network] : [];
  fc.assert(
    fc.property(stackName, stackName, clusters, clusters, runtime, (one, other, ours, theirs, kind) => {
      fc.pre(one !== other);
      const taken = new Set(of(planned(one, { runtime: kind, clusters: ours })));
      for (const name of of(planned(other, { runtime: kind, clusters: theirs }))) {
        assert.ok(!taken.has(name), `${name} is of stack ${one} (${ours.join()}) and of ${other} (${theirs.join()})`);
      }
    }),
    {
      numRuns: 300,
      examples: [
        ["alice", "alice-a", ["a-east"], ["east"], "kwok"],
        ["dev", "alice", ["alice-east"], ["east"], "k3d"],
      ],
    },
  );
});

test("property: no port is used twice, and a user may listen on all of them", () => {
  const base = fc.option(fc.integer({ min: 1024, max: 65_000 }), { nil: undefined });
  fc.assert(
    fc.property(stackName, clusters, runtime, base, (stack, names, kind, portBase) => {
      const ports = planned(stack, { runtime: kind, clusters: names, portBase })?.clusters.flatMap((one) => one.ports);
      assert.equal(new Set(ports).size, ports?.length ?? 0);
      // Systems hand out ports above 32767 by themselves, so a default there would sometimes fail.
      const [least, most] = portBase === undefined ? [6440, 32_767] : [portBase, 65_535];
      for (const port of ports ?? []) assert.ok(port >= least && port <= most, `port ${port}`);
    }),
  );
});

test("property: the same stack and settings give the same plan, and another order of clusters changes no name", () => {
  fc.assert(
    fc.property(stackName, clusters, runtime, (stack, names, kind) => {
      const plan = () => planned(stack, { runtime: kind, clusters: names });
      assert.deepEqual(plan(), plan());
      const outside = (order: string[]) =>
        new Map(planned(stack, { runtime: kind, clusters: order })?.clusters.map((one) => [one.name, one.context]));
      assert.deepEqual([...outside([...names].reverse())].reverse(), [...outside(names)]);
    }),
  );
});

test("property: Kubernetes and k3d accept every planned name", () => {
  const objectName = fc.stringMatching(/^[a-z]([a-z0-9-]{0,60}[a-z0-9])?$/);
  const replicas = fc.integer({ min: 0, max: 12 });
  fc.assert(
    fc.property(stackName, clusters, objectName, objectName, replicas, (stack, names, exported, set, count) => {
      const [first = ""] = names;
      const manifests = { [first]: [service(exported, headless), statefulSet(set, exported, count)] };
      const plan = planned(stack, { clusters: names }, manifests);
      for (const name of Object.values(plan?.mirrors ?? {}).flat()) {
        assert.match(name, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
      }
      for (const { physicalName } of plan?.clusters ?? []) {
        assert.match(physicalName, /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/);
      }
    }),
  );
});

test("property: every link has its mirrors and hosts, named after its target and reached in its source's domain", () => {
  fc.assert(
    fc.property(clusters, (names) => {
      const objects = [service("s", headless), statefulSet("p", "s", 1)];
      const manifests = Object.fromEntries(names.map((name) => [name, objects]));
      const plan = makePlan("s", settings({ clusters: names }, manifests));
      assert.equal(plan.links.length, names.length * (names.length - 1));
      for (const { source, target } of plan.links) {
        const link = `${source.name}->${target.name}`;
        assert.deepEqual(plan.mirrors[link], [`s-${target.name}`, `p-0-${target.name}`]);
        for (const host of plan.hosts[link] ?? []) {
          assert.ok(host.endsWith(`s-${target.name}.default.svc.${source.name}.cluster.local:80`), host);
        }
      }
      assert.equal(Object.keys(plan.mirrors).length, plan.links.length);
    }),
  );
});
