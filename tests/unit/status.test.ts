/** From what clusters answer to what `status` and `graph` show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { columns, painter } from "../../lib/terminal";
import { probeOf, requestsOf } from "../../status/metrics";
import type { MeshStatus } from "../../status/model";
import { statusText } from "../../status/text";
import { layOut } from "../../view/layout";
import { mermaid } from "../../view/mermaid";
import { rowsOf } from "../../view/rows";
import { svg } from "../../view/svg";
import { sampleMesh, service } from "../lib/sampleMesh";

const plain = painter({});
const link = (status: MeshStatus, source: string, target: string) =>
  status.links.find((one) => one.source === source && one.target === target);

test("a mesh that is well has no problems, and every number", () => {
  const { status } = sampleMesh();
  const { problems, clusters, links, services } = status();
  assert.deepEqual(problems, []);
  assert.deepEqual(
    clusters.map(({ name, linkerd, gatewayPods, requests }) => ({ name, linkerd, gatewayPods, requests })),
    ["east", "west"].map((name) => ({
      name,
      linkerd: "edge-26.8.3",
      gatewayPods: { ready: 2, wanted: 2 },
      requests: 12,
    })),
  );
  assert.deepEqual(clusters[0]?.certificates.map(({ what, days }) => [what, days]), [["trust anchor", 3650], ["issuer", 365]]); // prettier-ignore
  assert.deepEqual(links[0], { source: "east", target: "west", state: "alive", latency: 3, mirrors: 4 });
  assert.equal(services.length, 1);
  const [root, first] = services[0]?.mirrors ?? [];
  assert.deepEqual(root, {
    ...{ source: "east", name: "nginx-svc-west", state: "exists" },
    host: "nginx-svc-west.default.svc.east.cluster.local:80",
  });
  assert.equal(first?.pod, "nginx-set-0");
  assert.equal(first?.host, "nginx-set-0.nginx-svc-west.default.svc.east.cluster.local:80");
  assert.match(first?.curl ?? "", /^kubectl .*nginx-set-0\.nginx-svc-west/);
});

test("no secret is in the status", () => {
  assert.ok(!JSON.stringify(sampleMesh().status()).includes("secret"));
});

test("a cluster that is down is shown with the rest, once, and with the next command", () => {
  const mesh = sampleMesh(["east", "west", "north"]);
  mesh.answers.north = { down: "connect ECONNREFUSED 127.0.0.1:6442" };
  const status = mesh.status();
  assert.deepEqual(status.problems, [
    { what: "north does not answer: connect ECONNREFUSED 127.0.0.1:6442", next: "npm start -- dev" },
  ]);
  assert.equal(link(status, "east", "north")?.state, "failing");
  assert.equal(link(status, "north", "east")?.state, "unknown");
  assert.equal(link(status, "east", "west")?.state, "alive");
  const states = status.services[0]?.mirrors.map(({ source, state }) => `${source} ${state}`);
  assert.deepEqual([...new Set(states)], ["east exists", "north unknown"]);
  assert.match(statusText(status, plain), /^× {2}north +does not answer: connect ECONNREFUSED/m);
});

for (const [title, change, source, state, why] of [
  [
    "whose probes are not answered",
    ({ facts }) => (facts("east").metrics.probes.west = { isAlive: false, answered: 10 }),
    "east",
    "dead",
    /three probes/,
  ],
  [
    "whose gateway has no ready pod",
    ({ facts }) => (gatewayOf(facts("west")).status = { readyReplicas: 0 }),
    "east",
    "failing",
    /no pod of west's gateway is ready/,
  ],
  ["without its Link", ({ facts }) => (facts("east").links = []), "east", "dead", /east has no Link west/],
  [
    "whose controller does not answer",
    ({ facts }) => (facts("east").metrics.probes = {}),
    "east",
    "unknown",
    /controller-west does not tell its metrics/,
  ],
  ["between simulated pods", ({ facts }) => (facts("east").isSimulated = true), "east", "simulated", /^$/],
] as [string, (mesh: ReturnType<typeof sampleMesh>) => unknown, string, string, RegExp][]) {
  test(`a link ${title} is ${state}`, () => {
    const mesh = sampleMesh();
    change(mesh);
    const status = mesh.status();
    const found = link(status, source, "west");
    assert.equal(found?.state, state);
    assert.match(found?.why ?? "", why);
    assert.equal(
      status.problems.some(({ what }) => what.startsWith("east->west")),
      state !== "simulated",
    );
  });
}

function gatewayOf({ deployments }: { deployments: { metadata?: { name?: string }; status?: object }[] }) {
  return deployments.find(({ metadata }) => metadata?.name === "linkerd-gateway") as { status?: object };
}

test("a link whose probe is overdue is failing before Linkerd calls it dead", () => {
  assert.equal(
    link(
      sampleMesh().status(({ source }) => source === "east"),
      "east",
      "west",
    )?.state,
    "failing",
  );
});

for (const [title, change, state, why] of [
  [
    "in a namespace that the source lacks",
    ({ facts }) => {
      facts("east").services = [];
      facts("east").namespaces.delete("default");
    },
    "missing",
    /there is no namespace default, and Linkerd makes none/,
  ],
  [
    "whose name is taken",
    ({ facts }) => (facts("east").services = [service("nginx-svc-west")]),
    "missing",
    /belongs to a service that is no mirror/,
  ],
  ["that nobody made", ({ facts }) => (facts("east").services = []), "missing", /controller-west has not made it/],
  [
    "whose controller is gone",
    ({ facts }) => {
      facts("east").services = [];
      facts("east").deployments = [];
    },
    "missing",
    /controller-west is missing/,
  ],
  [
    "of a headless service without ports",
    ({ facts }) =>
      (facts("west").services = [service("nginx-svc", { "mirror.linkerd.io/exported": "true" }, "None", [])]),
    "skipped",
    /without ports/,
  ],
] as [string, (mesh: ReturnType<typeof sampleMesh>) => unknown, string, RegExp][]) {
  test(`a mirror ${title} is ${state}, with the reason`, () => {
    const mesh = sampleMesh();
    if (state === "skipped") mesh.facts("east").services = [];
    change(mesh);
    const [root] = mesh.status().services[0]?.mirrors ?? [];
    assert.equal(root?.state, state);
    assert.match(root?.why ?? "", why);
    assert.equal(
      mesh.status().problems.some(({ next }) => next === "npm run heal -- dev"),
      state === "missing",
    );
  });
}

test("labels of flat and federated services lead to their own names", () => {
  const mesh = sampleMesh();
  mesh.facts("west").services = [
    service("flat", { "mirror.linkerd.io/exported": "remote-discovery" }),
    service("all", { "mirror.linkerd.io/federated": "member" }),
  ];
  assert.deepEqual(
    mesh.status().services.map(({ mode, mirrors }) => [mode, mirrors[0]?.name]),
    [
      ["flat", "flat-west"],
      ["federated", "all-federated"],
    ],
  );
});

test("a certificate that ends within 60 days is a problem", () => {
  const mesh = sampleMesh();
  mesh.facts("west").expires = [{ what: "issuer", at: "2026-12-01T13:00:00Z" }];
  assert.deepEqual(mesh.status().problems, [
    { what: "west's issuer expires in 4 days", next: "npm run rotate -- issuers dev" },
  ]);
});

test("metrics of the controller and of the gateway are read", () => {
  const controller = [
    'gateway_alive{target_cluster_name="west"} 1',
    'gateway_latency{target_cluster_name="west"} 3',
    'gateway_probes{probe_successful="true",target_cluster_name="west"} 13',
    'gateway_probes{probe_successful="false",target_cluster_name="west"} 2',
    'gateway_alive{target_cluster_name="north"} 0',
  ].join("\n");
  assert.deepEqual(probeOf(controller, "west"), { isAlive: true, latency: 3, answered: 13 });
  assert.deepEqual(probeOf(controller, "north"), { isAlive: false, latency: undefined, answered: 0 });
  assert.equal(probeOf(controller, "south"), undefined, "another pod holds that link");
  const gateway = [
    'inbound_http_authz_allow_total{target_addr="10.42.0.10:4143",target_port="4143",client_id="a"} 5',
    'inbound_http_authz_allow_total{target_addr="10.42.0.10:4143",target_port="4143",client_id="b"} 7',
    'inbound_http_authz_allow_total{target_addr="0.0.0.0:4191",target_port="4191",client_id="b"} 90',
  ].join("\n");
  assert.equal(requestsOf(gateway), 12);
  assert.equal(requestsOf(""), 0);
  assert.equal(requestsOf(undefined), undefined);
});

test("the text has columns that fit, and colours only at a terminal", () => {
  const status = sampleMesh().status();
  const text = statusText(status, painter({ isTTY: false }));
  assert.doesNotMatch(text, /\x1b/); // eslint-disable-line no-control-regex
  assert.equal(statusText(status, painter({ isTTY: true }, { NO_COLOR: "1" })), text);
  const coloured = statusText(status, painter({ isTTY: true }, {}));
  assert.match(coloured, /\x1b\[32m√\x1b\[0m/); // eslint-disable-line no-control-regex
  assert.equal(coloured.replace(/\x1b\[\d+m/g, ""), text); // eslint-disable-line no-control-regex
  assert.match(text, /^√ {2}west default\/nginx-svc +gateway +nginx-set-0, .* +east: nginx-svc-west and 3 of 3 pods$/m);
  assert.deepEqual(
    columns([
      ["a", "bb", "c"],
      ["aaa", "b", "c"],
    ]),
    ["a    bb  c", "aaa  b   c"],
  );
});

test("the picture names every cluster, link, pod and mirror, and contains no script", async () => {
  const status = sampleMesh().status();
  const image = await svg(status);
  for (const text of [
    "east->west 3 ms",
    "west->east 3 ms",
    "exports nginx-svc",
    "nginx-set-2",
    "mirrors nginx-svc-west",
  ]) {
    assert.ok(image.includes(text.replaceAll(">", "&gt;")) || image.includes(text), text);
  }
  assert.doesNotMatch(image, /<script|onclick|NaN|undefined/i);
  assert.equal(rowsOf(status, "east").length, 5);
});

test("eight clusters have boxes that do not overlap", async () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "west"];
  const { boxes, lines } = await layOut(sampleMesh(names).status());
  assert.equal(boxes.length, 8);
  assert.equal(lines.length, 28);
  for (const one of boxes) {
    for (const other of boxes.filter((box) => box !== one)) {
      const apart = one.x + one.width <= other.x || other.x + other.width <= one.x || one.y + one.height <= other.y || other.y + other.height <= one.y; // prettier-ignore
      assert.ok(apart, `${one.cluster} and ${other.cluster}`);
    }
  }
});

test("a long list of services ends with a count", () => {
  const mesh = sampleMesh();
  mesh.facts("west").services = Array.from({ length: 30 }, (_, i) => service(`s${i}`, { "mirror.linkerd.io/exported": "true" })); // prettier-ignore
  assert.equal(rowsOf(mesh.status(), "west").at(-1)?.text, "and 14 more");
});

test("the Mermaid text escapes quotes and marks dead links", () => {
  const mesh = sampleMesh();
  mesh.facts("east").links = [];
  mesh.facts("west").services[0]!.metadata!.name = 'odd"name';
  const text = mermaid(mesh.status());
  assert.match(text, /^flowchart LR\n {2}subgraph c0\["east \(east\.cluster\.local\)"\]/);
  assert.match(text, /c0 -\.->\|"dead"\| c1/);
  assert.match(text, /odd#quot;name/);
});
