/** The settings, and every refusal: the setting, its value, what is allowed, and the next command. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { formatted } from "../../config/generate";
import {
  chartNames,
  checkSettings,
  longestClusterName,
  type RawSettings,
  RefusedError,
  type Settings,
} from "../../config/settings";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "settings-test-"));
after(() => fs.rmSync(root, { recursive: true }));
fs.mkdirSync(path.join(root, "manifests"));
fs.mkdirSync(path.join(root, "no-charts"));
for (const chart of chartNames) {
  fs.mkdirSync(path.join(root, "charts", chart), { recursive: true });
  fs.writeFileSync(path.join(root, "charts", chart, "Chart.yaml"), "name: any\n");
}
fs.mkdirSync(path.join(root, "two-charts/linkerd-crds"), { recursive: true });
fs.writeFileSync(path.join(root, "two-charts/linkerd-crds/Chart.yaml"), "name: linkerd-crds\n");

const check = (raw: RawSettings): Settings => checkSettings(raw, root);

function problemsOf(raw: RawSettings): string[] {
  try {
    check(raw);
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    for (const problem of error.problems) assert.ok(error.message.includes(problem), "the message lacks a problem");
    return error.problems;
  }
  return [];
}

test("the defaults are the demo's mesh: k3d, east and west, linked both ways", () => {
  const settings = check({});
  assert.equal(settings.runtime, "k3d");
  assert.deepEqual(settings.clusters, ["east", "west"]);
  assert.equal(settings.orgDomain, "cluster.local");
  assert.deepEqual(settings.links, [
    { source: "east", target: "west" },
    { source: "west", target: "east" },
  ]);
  assert.deepEqual(settings.manifests, { east: [], west: [] });
  assert.deepEqual(settings.charts, { repository: "https://helm.linkerd.io/edge", version: "2026.8.3" });
  assert.equal(settings.proxyLogLevel, "linkerd=debug,warn");
  assert.deepEqual([settings.trustAnchors, settings.issuerGeneration], [[1], 1]);
  assert.equal(settings.portBase, undefined);
});

test("Pulumi.yaml, docs/settings.md and settings.schema.json are those of the schema", async () => {
  for (const [name, text] of Object.entries(await formatted())) {
    const committed = fs.readFileSync(path.join(__dirname, "../..", name), "utf8");
    assert.equal(committed, text, `${name} is out of date. Next: node --import tsx config/generate.ts`);
  }
});

test("the defaults in Pulumi.yaml are those of the program", () => {
  const file = fs.readFileSync(path.join(__dirname, "../../Pulumi.yaml"), "utf8");
  const { config } = parse(file) as { config: Record<string, { default?: unknown }> };
  const announced = Object.fromEntries(Object.entries(config).map(([key, { default: value }]) => [key, value]));
  assert.deepEqual(check(announced), check({}));
});

test("real clusters refuse pods without a proxy; kwok lets them through, because no injector answers", () => {
  const existing = { east: { context: "a" }, west: { context: "b" } };
  assert.equal(check({ runtime: "k3d" }).webhookFailurePolicy, "Fail");
  assert.equal(check({ runtime: "existing", existing }).webhookFailurePolicy, "Fail");
  assert.equal(check({ runtime: "kwok" }).webhookFailurePolicy, "Ignore");
  assert.equal(check({ runtime: "kwok", webhookFailurePolicy: "Fail" }).webhookFailurePolicy, "Fail");
});

test("charts come from the directory if one is set, else from the repository, without its last slash", () => {
  assert.deepEqual(check({ chartDirectory: "charts" }).charts, { directory: path.join(root, "charts") });
  const shell = checkSettings({ linkerdVersion: "2026.9.1" }, root, "charts");
  assert.deepEqual(shell.charts, { directory: path.join(root, "charts") });
  assert.deepEqual(checkSettings({ chartDirectory: "charts" }, root, "nowhere").charts, shell.charts);
  assert.deepEqual(check({ chartRepository: "http://127.0.0.1:8080/edge//", linkerdVersion: "2026.9.1" }).charts, {
    repository: "http://127.0.0.1:8080/edge",
    version: "2026.9.1",
  });
});

interface Refusal {
  title: string;
  raw: RawSettings;
  /** How the problem begins: setting and value. */
  begins: string;
  allowed: RegExp;
  /** The next command. */
  next: RegExp;
}

const setPath = /^pulumi config set --path '/;
const clusterNames = new RegExp(`different names, each of a-z, 0-9 and .*at most ${longestClusterName} characters`);
const badName = (name: unknown): Refusal => ({
  title: `cluster name ${JSON.stringify(name)}`,
  raw: { clusters: ["east", name], links: [] },
  begins: `clusters[1] is ${JSON.stringify(name)}; `,
  allowed: clusterNames,
  next: /^pulumi config set --path 'clusters\[1\]' <value>$/,
});
const badLink = (title: string, link: unknown, field: string, value: unknown, allowed: RegExp): Refusal => ({
  title,
  raw: { links: [link] },
  begins: `links[0]${field} is ${value === undefined ? "nothing" : JSON.stringify(value)}; `,
  allowed,
  next: new RegExp(`^pulumi config (set|rm) --path 'links\\[0\\]${field}'`),
});
const bad = (key: string, value: unknown, allowed: RegExp, next?: RegExp): Refusal => ({
  title: `${key} ${JSON.stringify(value)}`,
  raw: { [key]: value },
  begins: `${key} is ${JSON.stringify(value)}; `,
  allowed,
  next: next ?? new RegExp(`^pulumi config set ${key} <value>$`),
});

const amongClusters = /one of the clusters east, west/;
const refusals: Refusal[] = [
  bad("runtime", "docker", /k3d, kwok, existing/),
  bad("runtime", "K3D", /k3d, kwok, existing/),
  bad("runtime", "", /k3d, kwok, existing/),

  { ...bad("clusters", [], clusterNames), next: /^pulumi config set --path 'clusters\[0\]' east$/ },
  { ...bad("clusters", "east", clusterNames), next: /^pulumi config set --path 'clusters\[0\]' east$/ },
  { ...bad("clusters", { east: {} }, clusterNames), next: setPath },
  ...[
    "",
    "East",
    "-east",
    "east-",
    "ea--st",
    "ea_st",
    "ea.st",
    "ea st",
    "öst",
    "east\n",
    "x".repeat(21),
    null,
    5,
    ["east"],
  ].map(badName),
  { ...badName("east"), title: "the same cluster name twice", allowed: /a name that no other cluster has/ },

  bad("orgDomain", "Cluster.local", /DNS name in lower case/),
  bad("orgDomain", ".local", /DNS name in lower case/),
  bad("orgDomain", "cluster..local", /DNS name in lower case/),
  bad("orgDomain", "x.".repeat(110) + "y", /DNS name in lower case/),
  bad("orgDomain", "", /a non-empty string/),

  badLink("a link to an unknown cluster", { source: "east", target: "north" }, ".target", "north", amongClusters),
  badLink("a link from an unknown cluster", { source: "north", target: "west" }, ".source", "north", amongClusters),
  badLink("a link without a target", { source: "east" }, ".target", undefined, /a non-empty string/),
  badLink("a link that is a string", "east->west", "", "east->west", /\{source, target\}/),
  badLink("a link that is null", null, "", null, /\{source, target\}/),
  badLink("a cluster linked to itself", { source: "west", target: "west" }, ".target", "west", /another cluster than/),
  badLink(
    "a link with another field",
    { source: "east", target: "west", bidirectional: true },
    ".bidirectional",
    true,
    /one of source, target/,
  ),
  {
    title: "the same link twice",
    raw: { links: [0, 1].map(() => ({ source: "east", target: "west" })) },
    begins: `links[1] is {"source":"east","target":"west"}; `,
    allowed: /each pair once in each direction/,
    next: /^pulumi config rm --path 'links\[1\]'$/,
  },
  bad("links", { source: "east", target: "west" }, /a list of \{source, target\}/, /^pulumi config rm links$/),

  bad("chartRepository", "helm.linkerd.io/edge", /the http, https or oci URL of a Helm repository/),
  bad("chartRepository", "https://a b", /the http, https or oci URL of a Helm repository/),
  bad("linkerdVersion", "edge-26.8.3", /a chart version such as 2026\.8\.3 \(which is edge-26\.8\.3\)/),
  bad("linkerdVersion", "latest", /a chart version such as 2026\.8\.3/),
  bad("chartDirectory", "no-charts", /linkerd-crds\/Chart\.yaml is missing/, /^pulumi config set chartDirectory </),
  bad("chartDirectory", "two-charts", /control-plane\/Chart\.yaml is missing/, /^pulumi config set chartDirectory </),
  bad(
    "chartDirectory",
    "nowhere",
    /a directory with the folders linkerd-crds, linkerd-control-plane, linkerd-multi/,
    /./,
  ),

  bad("webhookFailurePolicy", "fail", /Fail, Ignore/),
  bad("webhookFailurePolicy", true, /Fail, Ignore/),
  bad("proxyLogLevel", "", /a non-empty string/),
  bad("nodeImage", "", /a non-empty string/),
  bad("registryMirror", "", /a non-empty string/),
  bad("imageCache", "no", /true, false/),
  ...[[], [0], [1.5], [1, 1], ["1"], "1"].map((value) =>
    bad("trustAnchors", value, /a list of different whole numbers from 1/, /^npm run rotate -- anchor$/),
  ),
  ...[0, -1, 1.5, 1_000_001, "2"].map((value) => bad("issuerGeneration", value, /a whole number from 1 to 1000000/)),
  ...[0, 1023, 65_001, 6440.5, "6440"].map((value) => bad("portBase", value, /a whole number from 1024 to 65000/)),
  ...["nginx:1.29", [""], [5]].map((value) => bad("images", value, /a list of non-empty strings/, setPath)),

  bad("manifests", "nowhere", /it is not a directory/, /^pulumi config set manifests <directory>$/),
  bad("manifests", "charts/linkerd-crds/Chart.yaml", /it is not a directory/, /^pulumi config set manifests </),

  {
    title: "an existing cluster without a context",
    raw: { runtime: "existing", existing: { east: { context: "a" } } },
    begins: "existing.west.context is nothing; ",
    allowed: /a context of your kubeconfig/,
    next: /^pulumi config set --path 'existing\.west\.context' <value>$/,
  },
  {
    title: "an existing cluster that is none of the mesh",
    raw: { runtime: "existing", existing: { east: { context: "a" }, west: { context: "b" }, north: { context: "c" } } },
    begins: `existing.north is {"context":"c"}; `,
    allowed: /the clusters east, west/,
    next: /^pulumi config rm --path 'existing\.north'$/,
  },
  ...(
    [
      ["kubeconfig", 5, /a non-empty string/],
      ["apiServer", "http://10.0.0.1:6443", /the https URL of an API server/],
      ["apiServer", "https://user:pass@10.0.0.1", /the https URL of an API server/],
      ["apiServer", "https://[", /the https URL of an API server/],
      ["gateway", "10.0.0.1:4143", /without scheme and port/],
      ["gateway", "https://10.0.0.1", /a host name or an IP address, without scheme and port/],
      ["domain", "Cluster.local", /a DNS name in lower case/],
      ["gatway", "10.0.0.1", /one of context, kubeconfig, apiServer, gateway, domain/],
    ] as const
  ).map(([field, value, allowed]): Refusal => ({
    title: `existing.east.${field} ${value}`,
    raw: { runtime: "existing", existing: { east: { context: "a", [field]: value }, west: { context: "b" } } },
    begins: `existing.east.${field} is ${JSON.stringify(value)}; `,
    allowed,
    next: new RegExp(`^pulumi config (set|rm) --path 'existing\\.east\\.${field}'`),
  })),
  {
    title: "one context for two clusters",
    raw: { runtime: "existing", existing: { east: { context: "a" }, west: { context: "a" } } },
    begins: `existing.west.context is "a"; `,
    allowed: /another one than cluster east has/,
    next: setPath,
  },

  bad("registryMirror", "registry:5000", /the http\(s\) URL of a registry/),
  bad("registryMirror", "foo bar", /the http\(s\) URL of a registry/),
  bad("registryMirror", "http://localhost:5000", /in a node localhost is the node itself, .* host\.k3d\.internal/),
  bad("registryMirror", "http://127.0.0.1:5000", /in a node 127\.0\.0\.1 is the node itself/),
  bad("registryMirror", "https://user:pass@registry.example.com", /without a user and a password/),
  bad("nodeImage", "no spaces allowed", /an image, such as/),
  {
    title: "values for a chart that Linkerd does not have",
    raw: { chartValues: { linkerd: {} } },
    begins: "chartValues.linkerd is {}; ",
    allowed: /one of linkerd-crds, linkerd-control-plane, linkerd-multicluster/,
    next: /^pulumi config rm --path 'chartValues\.linkerd'$/,
  },
  {
    title: "a gateway without a load balancer whose address nobody names",
    raw: {
      runtime: "existing",
      existing: { east: { context: "a" }, west: { context: "b", gateway: "10.0.0.2" } },
      chartValues: { "linkerd-multicluster": { gateway: { serviceType: "NodePort" } } },
    },
    begins: 'chartValues.linkerd-multicluster.gateway.serviceType is "NodePort"; ',
    allowed: /LoadBalancer, unless existing\.<cluster>\.gateway is set for every cluster/,
    next: setPath,
  },
  {
    title: "a gateway that no other cluster reaches",
    raw: { chartValues: { "linkerd-multicluster": { gateway: { serviceType: "ClusterIP" } } } },
    begins: 'chartValues.linkerd-multicluster.gateway.serviceType is "ClusterIP"; ',
    allowed: /LoadBalancer, NodePort/,
    next: setPath,
  },
  ...(
    [
      ["nodePort", undefined, { probe: { nodePort: 30191 } }],
      ["nodePort", 4143, { nodePort: 4143, probe: { nodePort: 30191 } }],
      ["probe.nodePort", undefined, { nodePort: 30143 }],
    ] as const
  ).map(([path, value, gateway]): Refusal => ({
    title: `a gateway of type NodePort whose ${path} is ${value}`,
    raw: { chartValues: { "linkerd-multicluster": { gateway: { serviceType: "NodePort", ...gateway } } } },
    begins: `chartValues.linkerd-multicluster.gateway.${path} is ${value ?? "nothing"}; `,
    allowed: /a whole number from 30000 to 32767/,
    next: setPath,
  })),
  ...[2, -1, 1.5, "3"].map((value) => bad("servers", value, /1, 3 or 5, for all clusters or by cluster/)),
  ...[-1, 21, "two"].map((value) => bad("agents", value, /a whole number from 0 to 20/)),
  ...[
    ["servers", 2, /1, 3 or 5/],
    ["agents", 1.5, /a whole number from 0 to 20/],
  ].map(([name, value, allowed]): Refusal => ({
    title: `${String(name)} of one cluster: ${String(value)}`,
    raw: { [String(name)]: { east: value } },
    begins: `${String(name)}.east is ${String(value)}; `,
    allowed: allowed as RegExp,
    next: setPath,
  })),
  bad("links", "ring", /mesh, \{hub: <cluster>\}, or a list of \{source, target\}/, /^pulumi config rm links$/),
  {
    title: "a hub with the field of a link",
    raw: { links: { hub: "east", source: "west" } },
    begins: 'links.source is "west"; ',
    allowed: /one of hub\. /,
    next: /^pulumi config rm --path 'links\.source'$/,
  },
  {
    title: "a hub that is no cluster",
    raw: { links: { hub: "north" } },
    begins: 'links.hub is "north"; ',
    allowed: amongClusters,
    next: setPath,
  },
  ...(["servers", "agents", "ports"] as const).map((name): Refusal => ({
    title: `${name} of an unknown cluster`,
    raw: { [name]: { north: name === "ports" ? [] : 1 } },
    begins: `${name}.north is `,
    allowed: /the clusters east, west/,
    next: new RegExp(`^pulumi config rm --path '${name}\\.north'$`),
  })),
  ...["8080", "8080:0", "99999:80", "127.0.0.1:8080:80", 8080].map((value): Refusal => ({
    title: `ports ${value}`,
    raw: { ports: { east: [value] } },
    begins: `ports.east[0] is ${JSON.stringify(value)}; `,
    allowed: /a list by cluster, such as \{ east: \["8080:80"\] \}/,
    next: setPath,
  })),
  bad("caFile", "nowhere.pem", /a readable file with certificates in PEM, and without a private key \(ENOENT\)/),
  bad("caFile", "charts/linkerd-crds/Chart.yaml", /a readable file with certificates in PEM/),
  ...[
    ["linkerdVersion", "2026.9.1"],
    ["chartRepository", "https://charts.example.com"],
  ].map(([name = "", value]): Refusal => ({
    title: `${name} beside chartDirectory`,
    raw: { chartDirectory: "charts", [name]: value },
    begins: `${name} is "${value}"; `,
    allowed: /its default, because chartDirectory names the charts/,
    next: new RegExp(`^pulumi config rm ${name}$`),
  })),
  {
    title: "an existing cluster with the name of a property that every JavaScript object has",
    raw: { runtime: "existing", clusters: ["constructor"], existing: {} },
    begins: "existing.constructor.context is nothing; ",
    allowed: /a context of your kubeconfig/,
    next: setPath,
  },
  bad("k3sArgs", "--debug", /a list of options for k3s server/, setPath),
  ...[
    ["--disable traefik", /a list of options for k3s server/],
    ["debug", /a list of options for k3s server/],
    ["--cluster-domain=x", /other options than --cluster-domain and --disable=traefik/],
    ["--disable=servicelb,traefik", /other options than --cluster-domain and --disable=traefik/],
  ].map(([arg, allowed]): Refusal => ({
    title: `k3sArgs ${String(arg)}`,
    raw: { k3sArgs: ["--debug", arg] },
    begins: `k3sArgs[1] is ${JSON.stringify(arg)}; `,
    allowed: allowed as RegExp,
    next: setPath,
  })),
  bad("cluster", ["east"], /one of runtime, clusters, /, /^pulumi config rm cluster$/),
  ...(
    [
      ["kwok", "nodeImage", "rancher/k3s", "k3d"],
      ["kwok", "images", ["shop:dev"], "k3d"],
      ["kwok", "registryMirror", "https://registry.example.com", "k3d"],
      ["kwok", "imageCache", false, "k3d"],
      ["k3d", "existing", { east: { context: "a" } }, "existing"],
      ["existing", "portBase", 7000, "k3d, kwok"],
    ] as const
  ).map(([runtime, name, value, users]): Refusal => ({
    title: `${name}, which runtime ${runtime} ignores`,
    raw: { runtime, [name]: value },
    begins: `${name} is ${JSON.stringify(value)}; `,
    allowed: new RegExp(`with runtime ${users} only \\(it is ${runtime}\\)`),
    next: new RegExp(`^pulumi config rm ${name}$`),
  })),
];

for (const { title, raw, begins, allowed, next } of refusals) {
  test(`refused: ${title}`, () => {
    const problems = problemsOf(raw);
    const problem = problems.find((candidate) => candidate.startsWith(begins));
    assert.ok(problem, `no problem begins with ${begins}; there are: ${problems.join("\n")}`);
    assert.match(problem, allowed);
    assert.match(/ Next: (.*)$/s.exec(problem)?.[1] ?? "", next);
  });
}

test("a gateway without a load balancer is allowed where every address is named, and on local clusters", () => {
  const gateway = { serviceType: "NodePort", nodePort: 30143, probe: { nodePort: 30191 } };
  const chartValues = { "linkerd-multicluster": { gateway } };
  assert.deepEqual(check({ chartValues }).chartValues, chartValues);
  const existing = { east: { context: "a", gateway: "10.0.0.1" }, west: { context: "b", gateway: "10.0.0.2" } };
  assert.deepEqual(check({ runtime: "existing", existing, chartValues }).chartValues, chartValues);
});

test("one number of nodes counts for all clusters", () => {
  const { servers, agents, ports } = check({ servers: 3, agents: { west: 2 }, ports: { east: ["8080:80"] } });
  assert.deepEqual(servers, { east: 3, west: 3 });
  assert.deepEqual(agents, { east: 0, west: 2 });
  assert.deepEqual(ports, { east: ["8080:80"], west: [] });
});

test("a hub is linked with all others both ways, and they are not linked with each other", () => {
  const { links } = check({ clusters: ["east", "west", "north"], links: { hub: "west" } });
  const pairs = ["east->west", "west->east", "west->north", "north->west"];
  assert.deepEqual(
    links.map(({ source, target }) => `${source}->${target}`),
    pairs,
  );
  assert.deepEqual(check({ links: "mesh" }).links, check({}).links);
});

test("charts may come from an OCI registry", () => {
  const charts = check({ chartRepository: "oci://registry.example.com/charts" }).charts;
  assert.deepEqual(charts, { repository: "oci://registry.example.com/charts", version: "2026.8.3" });
});

test("all problems are reported at once", () => {
  const problems = problemsOf({
    runtime: "x",
    clusters: ["a", "a"],
    links: [{ source: "a", target: "a" }],
    portBase: 1,
  });
  const settings = problems.map((problem) => problem.split(" is ")[0]);
  assert.deepEqual(settings, ["runtime", "clusters[1]", "links[0].target", "portBase"]);
});

test("a bad cluster name is reported once, not for every link to it", () => {
  assert.deepEqual(
    problemsOf({ clusters: ["east", "West"] }).map((problem) => problem.split(" is ")[0]),
    ["clusters[1]"],
  );
});

const clusterName = fc.stringMatching(/^[a-z0-9]{1,9}(-[a-z0-9]{1,4}){0,2}$/);
const clusters = fc.uniqueArray(clusterName, { minLength: 1, maxLength: 6 });

test("property: the default links are every ordered pair of different clusters, each once", () => {
  fc.assert(
    fc.property(clusters, (names) => {
      const links = check({ clusters: names }).links.map(({ source, target }) => `${source}->${target}`);
      const pairs = names.flatMap((source) =>
        names.filter((name) => name !== source).map((name) => `${source}->${name}`),
      );
      assert.deepEqual([...links].sort(), pairs.sort());
    }),
  );
});

test("property: any input is either accepted, or refused with the next command", () => {
  const value = fc.oneof(fc.anything(), fc.constantFrom("east", "kwok", 1, [1], ["east", "west"], { source: "east" }));
  const keys = [
    ...["runtime", "clusters", "orgDomain", "links", "manifests", "linkerdVersion", "chartRepository"],
    ...[
      "chartDirectory",
      "linkerdCheckout",
      "proxyLogLevel",
      "webhookFailurePolicy",
      "trustAnchors",
      "issuerGeneration",
      "portBase",
    ],
    ...[
      "nodeImage",
      "images",
      "registryMirror",
      "existing",
      "chartValues",
      "k3sArgs",
      "installGatewayApi",
      "imageCache",
    ],
  ];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), asJson(value), { maxKeys: 4 }), (raw) => {
      for (const problem of problemsOf(raw)) assert.match(problem, /^\w.* is .+ Next: .+$/s);
    }),
    { numRuns: 500 },
  );
});

/** Config values are JSON or text. Other values cannot be typed. */
function asJson(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return values.map((value) => {
    try {
      const text = JSON.stringify(value) as string | undefined;
      return text === undefined ? undefined : (JSON.parse(text) as unknown);
    } catch {
      return "not JSON";
    }
  });
}
