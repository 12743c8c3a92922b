import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { UserError } from "../../lib/run";
import { criticalPath } from "../../timeline/criticalPath";
import { lastLog, readUpdate, type Operation } from "../../stacks/updateEvents";
import { readGraph } from "../../timeline/graph";
import { parseArguments } from "../../timeline/main";
import { placesOf } from "../../timeline/names";
import { draw } from "../../timeline/svg";
import { describe } from "../../timeline/words";

const urn = (types: string, name: string) => `urn:pulumi:dev::mesh::${types}::${name}`;
const stack = urn("pulumi:pulumi:Stack", "mesh-dev");
const cluster = urn("mesh:index:KwokCluster", "mesh-west");
const command = urn("mesh:index:KwokCluster$command:local:Command", "mesh-west");
const provider = urn("mesh:index:KwokCluster$pulumi:providers:kubernetes", "mesh-west");
const chart = urn("kubernetes:helm.sh/v4:Chart", "mesh-west-control-plane");
const account = urn(
  "kubernetes:helm.sh/v4:Chart$kubernetes:core/v1:ServiceAccount",
  "mesh-west-control-plane:linkerd/one",
);
const deployment = urn(
  "kubernetes:helm.sh/v4:Chart$kubernetes:apps/v1:Deployment",
  "mesh-west-control-plane:linkerd/two",
);
const link = urn("kubernetes:multicluster.linkerd.io/v1alpha3:Link", "mesh-west-to-east");

const parents: Record<string, string> = {
  [cluster]: stack,
  [command]: cluster,
  [provider]: cluster,
  [chart]: stack,
  [account]: chart,
  [deployment]: chart,
  [link]: stack,
};
const components = [stack, cluster, chart];
const inWest = [account, deployment, link];

const state = {
  deployment: {
    resources: [
      ...components.map((one) => ({ urn: one, parent: parents[one], dependencies: one === chart ? [provider] : [] })),
      { urn: command, parent: cluster },
      { urn: provider, parent: cluster, propertyDependencies: { kubeconfig: [command] } },
      ...[account, deployment].map((one) => ({ urn: one, parent: chart, provider: `${provider}::id` })),
      // The SDK records a component of a provider like this: the component alone, without its children.
      { urn: link, parent: stack, provider: `${provider}::id`, dependencies: [chart] },
    ],
  },
};

const begin = (ms: number, op: string, one: string) => event(ms, "resourcePreEvent", op, one);
const end = (ms: number, op: string, one: string) => event(ms, "resOutputsEvent", op, one);

function event(ms: number, kind: string, op: string, one: string): object {
  const custom = !components.includes(one);
  const resource = { type: "", urn: one, custom, parent: parents[one] ?? "" };
  const states = op.startsWith("delete") ? { old: resource, new: null } : { old: null, new: resource };
  const metadata = { op, urn: one, provider: inWest.includes(one) ? `${provider}::id` : "", ...states };
  return { received: 1_700_000_000_000 + ms, timestamp: 1_700_000_000, [kind]: { metadata } };
}

const log = (events: object[]) => events.map((one) => `${JSON.stringify(one)}\n`).join("");
const prelude = { received: 1_700_000_000_000, timestamp: 1_700_000_000, preludeEvent: {} };
const summary = (ms: number, result: string, resourceChanges: object) => ({
  received: 1_700_000_000_000 + ms,
  timestamp: 1_700_000_000,
  summaryEvent: { result, resourceChanges },
});

/** Up: the cluster takes 9 s, its chart is rendered until 14 s, the Deployment begins late and the Link ends it all. */
const up = [
  prelude,
  begin(1000, "create", stack),
  begin(1010, "create", cluster),
  begin(1020, "create", command),
  end(10_000, "create", command),
  begin(10_010, "create", provider),
  end(10_100, "create", provider),
  begin(14_000, "create", chart),
  begin(14_010, "create", account),
  end(15_000, "create", account),
  begin(16_000, "create", deployment),
  end(20_000, "create", deployment),
  begin(20_050, "create", link),
  end(21_000, "create", link),
  summary(22_000, "succeeded", { create: 8 }),
];

/** Names of the critical path's resources. */
const pathOf = (events: object[], graph = readGraph(state)) =>
  criticalPath(readUpdate(log(events)), graph).map(({ step }) => step.urn);

test("the critical path of an up leads through components to what the last resource waited for", () => {
  assert.deepEqual(pathOf(up), [command, provider, deployment, link]);
});

test("the delete of a former provider at an update's end waits for all the rest", () => {
  const former = "urn:pulumi:dev::mesh::pulumi:providers:pulumi::default";
  const ended = up.slice(0, -1);
  const cleared = [begin(21_010, "delete", former), end(21_020, "delete", former)];
  assert.deepEqual(pathOf([...ended, ...cleared, summary(22_000, "succeeded", {})]), [
    ...[command, provider, deployment, link],
    former,
  ]);
});

test("the text names start, registration, the wait for a turn, each stage and the end, and adds up", () => {
  const update = readUpdate(log(up));
  const lines = describe(update, criticalPath(update, readGraph(state)), placesOf(update));
  assert.match(
    lines[0] ?? "",
    /^22\.0 s in all, succeeded \(8 create\); most of it: 9\.1 s KwokCluster west; 4\.0 s Chart west-control-plane; /,
  );
  assert.deepEqual(lines.slice(2), [
    "    1.0 s  the engine and the program to start",
    "    9.1 s  KwokCluster west: Command west 9.0 s, kubernetes west 0.1 s",
    "    3.9 s  Chart west-control-plane to be registered by the program",
    "    2.0 s  Chart west-control-plane's turn, although it was ready (1 other resource ended meanwhile)",
    "    4.0 s  Chart west-control-plane: Deployment linkerd/two 4.0 s",
    "    1.0 s  Stack dev: Link west-to-east 1.0 s",
    "    1.0 s  the engine and the program to end",
  ]);
  const told = lines.slice(2).map((line) => Number(/^\s+([\d.]+) s/.exec(line)?.[1]));
  assert.ok(Math.abs(told.reduce((sum, one) => sum + one, 0) - 22) < 0.5);
});

test("a delete waits for the whole wave before it, though the state no longer shows it", () => {
  const destroy = [
    prelude,
    begin(500, "delete", link),
    end(1000, "delete", link),
    begin(1100, "delete", deployment),
    begin(1100, "delete", account),
    end(1300, "delete", account),
    end(3000, "delete", deployment),
    begin(3010, "delete", provider),
    end(3020, "delete", provider),
    begin(3030, "delete", command),
    end(5000, "delete", command),
    summary(5100, "succeeded", { delete: 8 }),
  ];
  assert.deepEqual(pathOf(destroy, readGraph({})), [link, deployment, provider, command]);
});

test("among parallel steps reported at the same moment, none holds up one that began before it", () => {
  const quick = [prelude, begin(100, "delete", link), end(4000, "delete", link)];
  for (const one of [account, deployment]) quick.push(begin(4001, "delete", one));
  for (const one of [account, deployment]) quick.push(end(4010, "delete", one));
  assert.deepEqual(pathOf([...quick, begin(4020, "delete", command), end(4030, "delete", command)]), [
    link,
    deployment,
    account,
    command,
  ]);
});

test("a run of short steps is one line", () => {
  const quick = [prelude, begin(100, "delete", link), end(4000, "delete", link)];
  for (const [i, one] of inWest.entries())
    quick.push(begin(4010 + 20 * i, "delete", one), end(4020 + 20 * i, "delete", one));
  const update = readUpdate(log([...quick, begin(4080, "delete", command), end(9000, "delete", command)]));
  const lines = describe(update, criticalPath(update, readGraph({})), placesOf(update)).slice(2);
  assert.deepEqual(lines.map((line) => line.trim().replace(/:.*/, "")).slice(1, 4), [
    "3.9 s  Link",
    "0.1 s  short steps",
    "4.9 s  Command",
  ]);
});

test("a killed update: half a line is ignored, and the path ends with the named step under way", () => {
  const killed = `${log(up.slice(0, 11))}{"received":17000`;
  const update = readUpdate(killed);
  assert.equal(update.result, "interrupted");
  assert.deepEqual(update.changes, { create: 3 });
  const path = criticalPath(update, readGraph(state));
  assert.deepEqual(
    path.map(({ step }) => step.urn),
    [command, provider, deployment],
  );
  assert.equal(
    describe(update, path, placesOf(update)).at(-1),
    "Under way when it broke off: west: Deployment linkerd/two.",
  );
});

test("an update without a change has a path, and an update without a resource has none", () => {
  const same = [prelude, begin(900, "same", stack), begin(1000, "same", command), end(1001, "same", command)];
  assert.deepEqual(pathOf([...same, summary(1100, "succeeded", { same: 1 })]), [command]);
  const nothing = readUpdate(log([prelude, summary(50, "failed", {})]));
  assert.equal(nothing.result, "failed");
  assert.match(
    describe(nothing, criticalPath(nothing, readGraph({})), placesOf(nothing))[0] ?? "",
    /nothing was begun/,
  );
  assert.throws(() => readUpdate(""), /contains no event/);
});

test("a replacement's steps of one resource follow one another", () => {
  const replaced = [
    prelude,
    begin(100, "delete-replaced", command),
    end(2000, "delete-replaced", command),
    begin(2010, "create-replacement", command),
    end(6000, "create-replacement", command),
    summary(6100, "succeeded", { replace: 1 }),
  ];
  const ops = criticalPath(readUpdate(log(replaced)), readGraph(state)).map(({ step }) => step.op);
  assert.deepEqual(ops, ["delete-replaced", "create-replacement"]);
});

test("a resource belongs to its provider's cluster, or to the one its name begins with, the longest first", () => {
  const [west2, shared] = [
    urn("command:local:Command", "mesh-west-2-x"),
    urn("tls:index/privateKey:PrivateKey", "mesh-anchor-1"),
  ];
  const other = urn("mesh:index:KwokCluster", "mesh-west-2");
  const update = readUpdate(
    log([...up, begin(1, "create", other), begin(1, "create", west2), begin(1, "create", shared)]),
  );
  const placeOf = placesOf(update);
  const groupOf = (one: string) => placeOf(update.steps.find((step) => step.urn === one) as Operation).group;
  assert.equal(groupOf(command), "west");
  assert.equal(groupOf(link), "west");
  assert.equal(groupOf(west2), "west-2");
  assert.equal(groupOf(shared), "mesh");
});

test("the picture has one bar per resource, none for components, the path in red, and is escaped", () => {
  const update = readUpdate(log(up));
  const svg = draw("a <title>", update, criticalPath(update, readGraph(state)), placesOf(update));
  assert.equal(svg.match(/<g>/g)?.length, 5);
  // One for the key and four for the path.
  assert.equal(svg.match(/fill="#d62828"/g)?.length, 5);
  assert.ok(svg.includes("a &lt;title&gt;"));
  assert.match(
    svg,
    /<title>Deployment linkerd\/two \(Chart west-control-plane\): create 4\.00 s, from 16\.00 s<\/title>/,
  );
});

test("the last log is the stack's own, not that of a stack with the same prefix", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "timeline-"));
  try {
    const names = [
      "a-2026-01-01T00-00-00-000Z.json",
      "a-2026-01-02T00-00-00-000Z.json",
      "a-2-2026-01-03T00-00-00-000Z.json",
    ];
    for (const name of names) fs.writeFileSync(path.join(directory, name), "");
    assert.equal(path.basename(lastLog(directory, "a")), names[1]);
    assert.equal(path.basename(lastLog(directory, "a-2")), names[2]);
    assert.throws(() => lastLog(directory, "b"), /stack b has no recorded update.* Next: npm start -- b/);
    assert.throws(() => lastLog(path.join(directory, "none"), "a"), UserError);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test("arguments: a stack, --out, --events with an existing file, and nothing else", () => {
  assert.equal(parseArguments([]).stack, "rehearsal");
  assert.deepEqual(parseArguments(["alice", "--out", "/x.svg"]), { stack: "alice", out: "/x.svg" });
  assert.equal(parseArguments(["alice", "--events", __filename]).events, __filename);
  for (const wrong of [["--out"], ["--in", "x"], ["x"], ["--events", "/none"]]) {
    assert.throws(() => parseArguments(["alice", ...wrong]), /Next: npm run timeline -- --help/);
  }
  assert.throws(() => parseArguments(["alice", "--in", "x"]), /unknown option '--in'/);
});
