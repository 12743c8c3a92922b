import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { parseArguments } from "../../acceptance/arguments";
import { whoAnswered } from "../../acceptance/ask";
import { entriesOf, markedProcesses } from "../../acceptance/leftovers";
import { failedChecks } from "../../acceptance/linkerd";
import { loadFault } from "../../acceptance/load";
import { isRolledOut } from "../../lib/rolledOut";
import { refuse } from "../../acceptance/main";
import { rememberSettings } from "../../acceptance/settings";
import { loadTargets, targetsOf, type StatefulSet } from "../../acceptance/mesh";
import { newestLinkerd } from "../../acceptance/newestLinkerd";
import { lastLines, mark, parsePreview } from "../../acceptance/product";
import { inWords, json, junit, row, summary, type Report } from "../../acceptance/report";
import { NotRun, type Outcome, runSteps, type Step, StepFailed, verdict } from "../../acceptance/runner";
import { steps } from "../../acceptance/steps";
import { rotationFault } from "../../acceptance/steps/rotation";
import { readAnswers } from "../../acceptance/steps/verify";

const ids = steps.map(({ id }) => id);

function step(id: string, needs: string[], run: Step<string[]>["run"] = () => Promise.resolve(), cleanup?: true) {
  const body: Step<string[]>["run"] = (ran, figures) => {
    ran.push(id);
    return run(ran, figures);
  };
  return { id, title: `Step ${id}`, asserts: `${id} holds`, needs, run: body, ...(cleanup && { cleanup }) };
}

async function runAll(list: Step<string[]>[], signal = new AbortController().signal) {
  const ran: string[] = [];
  const began: string[] = [];
  const ended: Outcome[] = [];
  const outcomes = await runSteps(
    list,
    ran,
    signal,
    ({ id }) => began.push(id),
    (outcome) => ended.push(outcome),
  );
  assert.deepEqual(ended, outcomes);
  assert.deepEqual(began, ran, "a step is told before it runs, and only then");
  return { ran, outcomes, results: outcomes.map(({ id, result }) => `${id} ${result}`) };
}

test("a failed step skips what needs it, directly or not, and nothing else", async () => {
  const failing = step("b", [], (_, figures) => {
    figures.seen = 3;
    return Promise.reject(new StepFailed("it does not hold"));
  });
  const { results, outcomes } = await runAll([step("a", []), failing, step("c", ["b"]), step("d", ["c"]), step("e", ["a"])]); // prettier-ignore
  assert.deepEqual(results, ["a passed", "b failed", "c skipped", "d skipped", "e passed"]);
  assert.deepEqual(outcomes[1]?.figures, { seen: 3 }, "a failed step reports what it measured");
  assert.equal(outcomes[1]?.why, "it does not hold");
  assert.equal(outcomes[2]?.why, "it needs step b, which failed");
  assert.equal(outcomes[3]?.why, "it needs step c, which did not run");
  assert.equal(verdict(outcomes), "failed");
});

test("a step that was not chosen counts as passed for those that need it", async () => {
  assert.deepEqual((await runAll([step("b", ["a"])])).results, ["b passed"]);
});

test("a step without its tool does not fail, but the run is incomplete", async () => {
  const { outcomes } = await runAll([step("a", []), step("b", [], () => Promise.reject(new NotRun("no linkerd")))]);
  assert.equal(outcomes[1]?.result, "not run");
  assert.equal(verdict(outcomes), "incomplete");
  assert.equal(verdict(outcomes.slice(0, 1)), "passed");
});

test("an interruption ends the step, skips the rest and still cleans up", async () => {
  const stop = new AbortController();
  const interrupted = step("up", [], () => {
    stop.abort();
    return Promise.reject(new Error("npm start ended with 130"));
  });
  const list = [interrupted, step("requests", []), step("destroy", [], undefined, true)];
  const { results, outcomes } = await runAll(list, stop.signal);
  assert.deepEqual(results, ["up failed", "requests skipped", "destroy passed"]);
  assert.equal(outcomes[0]?.why, "the run was interrupted");
  assert.equal(outcomes[1]?.why, "the run was interrupted");
});

test("the steps need only steps before them, and the last ones clean up", () => {
  for (const [i, { id, needs }] of steps.entries()) {
    assert.ok(needs.every((need) => ids.indexOf(need) >= 0 && ids.indexOf(need) < i), id); // prettier-ignore
  }
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(steps.filter(({ cleanup }) => cleanup).map(({ id }) => id), ids.slice(-2)); // prettier-ignore
});

test("arguments choose the stack and the steps", () => {
  const all = parseArguments([], steps);
  assert.equal(all.stack, "acceptance");
  assert.deepEqual(all.chosen, ids);
  assert.deepEqual(parseArguments(["alice", "--keep"], steps).leftOut, ["destroy", "nothing-left"]);
  assert.equal(parseArguments(["alice", "--keep"], steps).stack, "alice");
  assert.deepEqual(parseArguments(["--only", "verify,requests"], steps).chosen, ["requests", "verify"]);
  const up = ["up-from-nothing", "destroy", "nothing-left"];
  assert.deepEqual(parseArguments(["--only", "up-from-nothing"], steps).chosen, up, "what comes up goes again");
  assert.deepEqual(parseArguments(["--only", "up-from-nothing", "--keep"], steps).chosen, ["up-from-nothing"]);
  assert.ok(!parseArguments(["--skip", "scale", "--skip", "verify"], steps).chosen.includes("scale"));
  assert.equal(parseArguments(["--json", "a.json"], steps).json, path.resolve("a.json"));
});

test("arguments name what is wrong and what is allowed", () => {
  assert.throws(
    () => parseArguments(["--only", "fly"], steps),
    /--only is "fly"; allowed: preview-from-nothing, .*--help/,
  );
  assert.throws(() => parseArguments(["--fast"], steps), /unknown option '--fast'/);
  assert.throws(() => parseArguments(["--runtime", "kwok"], steps), /unknown option '--runtime'/);
  assert.throws(() => parseArguments(["--skip", "destroy"], steps), /--skip is destroy; use --keep/);
  assert.throws(() => parseArguments(["--only", "scale", "--skip", "scale"], steps), /no step is left to run/);
});

test("a stack that is up is destroyed only if the destroy step is named", () => {
  const told = (...args: string[]) => parseArguments(args, steps);
  refuse(told(), false);
  assert.throws(() => refuse(told(), true), /stack acceptance is up, and this run would destroy it; nothing was done/);
  assert.throws(() => refuse(told("--skip", "preview-from-nothing,up-from-nothing"), true), /would destroy it/);
  refuse(told("--skip", "preview-from-nothing,up-from-nothing", "--keep"), true);
  refuse(told("--only", "destroy,nothing-left"), true);
  refuse(told("--only", "verify"), true);
  assert.throws(() => refuse(told("--only", "verify"), false), /is not up\. Next: npm run acceptance -- acceptance/);
});

test("only a pod's own name may fail under load, and every name must answer at least once", () => {
  const requests = (kind: "pod" | "headless", answered: number) => ({
    requests: { host: { kind, sent: 10, answered, failed: { "timed out": 10 - answered }, longestSilence: 4 } },
  });
  assert.equal(loadFault(requests("pod", 7)), undefined);
  assert.equal(loadFault(requests("headless", 10)), undefined);
  assert.equal(loadFault(requests("headless", 9)), "host (headless): 1 of 10 requests failed: 1 timed out");
  assert.equal(loadFault(requests("pod", 0)), "host: none of 10 requests was answered");
});

test("the log names the pod that answered, else the page, else nothing", () => {
  const silent = { "web-1": "", "web-10": "" };
  assert.equal(whoAnswered("4f2a", "", { ...silent, "web-10": "GET /?acceptance=4f2a HTTP/1.1" }), "web-10");
  assert.equal(whoAnswered("4f2a", "I am web-10.", silent), "web-10");
  assert.equal(whoAnswered("4f2a", "Welcome to nginx!", silent), undefined);
});

test("the hosts to ask have the names that the service mirror makes", () => {
  const service = (name: string, spec: object, labels = { "mirror.linkerd.io/exported": "true" }) => ({
    metadata: { name, namespace: "shop", labels },
    spec,
  });
  const headless = { clusterIP: "None", ports: [{ port: 80 }] };
  const set: StatefulSet = {
    metadata: { name: "set", namespace: "shop" },
    spec: { serviceName: "web", replicas: 2, selector: {}, template: {} },
  };
  const targets = targetsOf(
    { source: "east", target: "west" },
    "east.test",
    [
      service("web", headless),
      service("deploy", headless),
      service("no-ports", { clusterIP: "None" }),
      service("own", headless, { "mirror.linkerd.io/exported": "false" }),
    ],
    [set, { ...set, metadata: { name: "set", namespace: "elsewhere" } }],
  );
  assert.deepEqual(
    targets.map(({ kind, host, pods }) => [kind, host, pods]),
    [
      ["pod", "set-0.web-west.shop.svc.east.test:80", ["set-0"]],
      ["pod", "set-1.web-west.shop.svc.east.test:80", ["set-1"]],
      ["headless", "web-west.shop.svc.east.test:80", ["set-0", "set-1"]],
      ["clusterIP", "deploy-west.shop.svc.east.test:80", []],
    ],
  );
  assert.deepEqual(
    loadTargets(targets).map(({ kind }) => kind),
    ["pod", "headless", "clusterIP"],
  );
});

test("a Deployment is rolled out when no old pod is left", () => {
  const deployment = (status: object) => ({ metadata: { generation: 2 }, spec: { replicas: 1, selector: {}, template: {} }, status }); // prettier-ignore
  const done = { observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1 };
  assert.equal(isRolledOut(deployment(done)), true);
  for (const missing of [{ observedGeneration: 1 }, { replicas: 2 }, { updatedReplicas: 0 }, { availableReplicas: 0 }])
    assert.equal(isRolledOut(deployment({ ...done, ...missing })), false);
});

test("a rotation that changed nothing, too little or too much fails", () => {
  const trust = (roots: string[], issuer: string) => ({ east: { roots, issuer } });
  const before = trust(["A"], "1");
  assert.equal(rotationFault("issuers", before, trust(["A"], "2")), undefined);
  assert.equal(rotationFault("anchor", before, trust(["B"], "2")), undefined);
  assert.match(rotationFault("issuers", before, trust(["A"], "1")) ?? "", /east has the issuer it had before/);
  assert.match(rotationFault("issuers", before, trust(["B"], "2")) ?? "", /trusts another anchor than before/);
  assert.match(rotationFault("anchor", before, trust(["A", "B"], "2")) ?? "", /still trusts .*\neast trusts 2 anchors/);
});

test("a preview's changes are those that do something", () => {
  const steps = [
    { op: "same", urn: "urn:pulumi:a::mesh::x::quiet" },
    { op: "update", urn: "urn:pulumi:a::mesh::x::mesh-west-gateway" },
  ];
  assert.deepEqual(
    parsePreview(JSON.stringify({ steps, changeSummary: { same: 211, read: 1, update: 1, delete: 0 } })),
    {
      changes: { update: 1 },
      steps: ["update mesh-west-gateway"],
    },
  );
  assert.deepEqual(parsePreview("{}"), { changes: {}, steps: [] });
});

test("a failed command is reported by its errors, or else by its last lines", () => {
  assert.equal(lastLines("ok\nerror: no\n\nmore\n"), "error: no");
  assert.equal(lastLines(Array.from({ length: 20 }, (_, i) => `line ${i}`).join("\n")).split("\n").length, 8);
});

test("verify's answers are counted, and one that does not apply needs a reason", () => {
  const results = [
    { id: "a", on: "east", answer: "yes", why: "" },
    { id: "b", on: "east", answer: "no", why: "it is away" },
    { id: "c", on: "west", answer: "not applicable", why: "there is no `linkerd` on PATH" },
    { id: "d", on: "west", answer: "not applicable", why: "" },
  ];
  const { figures, no, unreasoned } = readAnswers(JSON.stringify({ results }));
  assert.deepEqual([figures.yes, figures.no, figures["not applicable"]], [1, 1, 2]);
  assert.deepEqual(no, ["b (east): it is away"]);
  assert.deepEqual(unreasoned, ["d (west)"]);
});

test("linkerd check prints a document of its own and one for each extension", () => {
  const document = (categoryName: string, result: string) =>
    JSON.stringify(
      { success: false, categories: [{ categoryName, checks: [{ description: "d", error: "e", result }] }] },
      undefined,
      2,
    );
  const text = `${document("linkerd-identity", "warning")}\n${document("linkerd-multicluster", "error")}\n`;
  assert.deepEqual(failedChecks(text), [{ category: "linkerd-multicluster", what: "d: e" }]);
  assert.throws(() => failedChecks("Cannot connect\n"));
});

test("leftovers: entries of the kubeconfig by exact name", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "acceptance-"));
  try {
    const file = path.join(directory, "config");
    assert.deepEqual(entriesOf(file, ["k3d-a-east"]), []);
    const names = [{ name: "k3d-a-east" }, { name: "k3d-a-east2" }];
    fs.writeFileSync(file, JSON.stringify({ contexts: names, clusters: names, users: null }));
    assert.deepEqual(entriesOf(file, ["k3d-a-east"]), ["contexts/k3d-a-east", "clusters/k3d-a-east"]);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test(
  "leftovers: a process of the run is known by its environment",
  { skip: process.platform !== "linux" && "only Linux shows it" },
  async () => {
    const child = spawn("sleep", ["60"], { env: { ...process.env, [mark]: "of-this-test" } });
    try {
      await new Promise((resolve) => child.once("spawn", resolve));
      assert.deepEqual(markedProcesses("of-this-test"), [`${child.pid} sleep 60`]);
      assert.deepEqual(markedProcesses("of-another"), []);
    } finally {
      child.kill();
    }
  },
);

test("the settings that a rotation changed are put back, and no others", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "acceptance-"));
  try {
    const file = path.join(directory, "Pulumi.a.yaml");
    fs.writeFileSync(file, "config:\n  mesh:nodeImage: a # mine\n  mesh:issuerGeneration: 3\n");
    const restore = rememberSettings(file);
    fs.writeFileSync(file, "encryptionsalt: v1\nconfig:\n  mesh:nodeImage: a # mine\n  mesh:issuerGeneration: 5\n  mesh:trustAnchors:\n    - 2\n"); // prettier-ignore
    restore();
    assert.equal(fs.readFileSync(file, "utf8"), "encryptionsalt: v1\nconfig:\n  mesh:nodeImage: a # mine\n  mesh:issuerGeneration: 3\n"); // prettier-ignore
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test("the newest Linkerd is the newest version that has all three charts", () => {
  const charts = (entries: Record<string, string[]>) =>
    JSON.stringify({
      entries: Object.fromEntries(
        Object.entries(entries).map(([name, versions]) => [name, versions.map((version) => ({ version }))]),
      ),
    });
  const all = ["2026.8.9", "2026.8.10", "2026.9.1", "2026.9.2-rc1"];
  const index = charts({
    "linkerd-crds": all,
    "linkerd-control-plane": all,
    "linkerd-multicluster": all.filter((version) => version !== "2026.9.1"),
  });
  assert.deepEqual(newestLinkerd(index), { version: "2026.8.10", release: "edge-26.8.10" });
  assert.throws(() => newestLinkerd(charts({})), /no version of all of linkerd-crds/);
});

const outcome = (more: Partial<Outcome>): Outcome => ({
  ...{ id: "up", title: "npm start <1>", asserts: "it holds", result: "passed", seconds: 12.3456, figures: {} },
  ...more,
});
const report: Report = {
  stack: "acceptance",
  runtime: "k3d",
  versions: { node: "22.1.0" },
  images: ["nginx:1.29"],
  steps: [
    outcome({ figures: { resources: 212 } }),
    outcome({ id: "verify", result: "failed", why: "a & b\nc" }),
    outcome({ id: "scale", result: "skipped", why: "it needs step verify, which failed" }),
    outcome({ id: "linkerd-check", result: "not run", why: "there is no linkerd" }),
  ],
  leftOut: ["destroy"],
  seconds: 99.5,
};

test("the report in words names failures, what did not run and what was left out", () => {
  assert.match(row(report.steps[0] ?? outcome({})), /^passed {5}12\.3 s {2}up +npm start <1>\n +resources: 212$/);
  assert.match(row(report.steps[1] ?? outcome({})), /^failed .*\n +a & b\n +c$/);
  const text = summary(report);
  assert.match(text, /Acceptance of stack acceptance: FAILED \(1 passed, 1 failed, 1 skipped, 1 not run; 100 s\)/);
  assert.match(text, /^not run: linkerd-check: there is no linkerd$/m);
  assert.match(text, /^left out by --only, --skip or --keep: destroy$/m);
  const incomplete = summary({ ...report, steps: report.steps.slice(3) });
  assert.match(incomplete, /nothing failed, but not every step ran/);
});

test("figures with parts are one line per part", () => {
  const requests = { a: { kind: "pod", failed: { "timed out": 2 } }, b: { kind: "headless", failed: {} } };
  assert.deepEqual(inWords({ requests, changes: {}, because: ["x", "y"] }), [
    "requests: a: kind pod, failed timed out 2",
    "requests: b: kind headless, failed none",
    "changes: none",
    "because: x, y",
  ]);
});

test("the JSON report has every step with its seconds, and a result of its own", () => {
  const parsed = JSON.parse(json(report)) as Report & { result: string };
  assert.equal(parsed.result, "failed");
  assert.deepEqual([parsed.steps.length, parsed.steps[0]?.seconds, parsed.seconds], [4, 12.346, 99.5]);
  assert.deepEqual(parsed.steps[0]?.figures, { resources: 212 });
});

test("the JUnit report counts failures and skips, and escapes what it quotes", () => {
  const text = junit(report);
  assert.match(text, /<testsuite name="acceptance acceptance" tests="4" failures="1" skipped="2" time="99\.500">/);
  assert.match(
    text,
    /classname="acceptance\.up" name="npm start &lt;1&gt;" time="12\.346"><system-out>resources: 212</,
  );
  assert.match(text, /<failure message="a &amp; b&#10;c">a &amp; b&#10;c<\/failure>/);
  assert.equal(text.match(/<skipped message=/g)?.length, 2);
});
