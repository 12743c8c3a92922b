import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { growthOf, parseArguments } from "../../bench/main";
import { memoryProblem } from "../../bench/k3dGrowth";
import { measure, type Cost } from "../../bench/measure";
import { nodesTable, parseCgroup } from "../../bench/nodes";
import { demoProblem, orderOf } from "../../bench/peers";
import { linkerdValues, linkTo, multiclusterValues } from "../../bench/peers/folder";
import { niceAbove, plot } from "../../bench/plot";
import { parseStat, roleOf } from "../../bench/processes";
import { render } from "../../bench/render";
import { linkerdCharts } from "../../components/linkerd";
import { multiclusterChart } from "../../components/multicluster";
import { pack } from "../../components/stripCrds";
import { rowsOf, table } from "../../bench/report";
import { Results } from "../../bench/results";
import { spreadOf } from "../../bench/statistics";

test("a median has as many rounds above as below, and does not depend on their order", () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3 });
  assert.deepEqual(spreadOf([10, 1, 3, 2]), { median: 2.5, least: 1, most: 10 });
  assert.throws(() => spreadOf([]), /nothing was measured/);
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
      const { median, least, most } = spreadOf(values);
      const above = values.filter((value) => value > median).length;
      const below = values.filter((value) => value < median).length;
      assert.ok(above <= values.length / 2 && below <= values.length / 2);
      assert.deepEqual([least, most], [Math.min(...values), Math.max(...values)]);
      assert.equal(spreadOf([...values].reverse()).median, median);
    }),
  );
});

test("/proc: a process's name may contain brackets and spaces", () => {
  const stat = "42 (tmux: (1) x) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 900 900 20 0 1 0 1 1 1";
  assert.deepEqual(parseStat(stat), { pid: 42, parent: 7, cpu: 2 });
});

test("processes are known by their command lines", () => {
  assert.equal(roleOf(["/opt/bin/pulumi", "up"]), "engine");
  assert.equal(roleOf(["pulumi-language-nodejs", "127.0.0.1:1"]), "language host");
  assert.equal(roleOf(["node", "--import", "tsx", "/x/node_modules/@pulumi/pulumi/cmd/run", "index.ts"]), "program");
  assert.equal(roleOf(["/opt/bin/pulumi-resource-kubernetes", "127.0.0.1:1"]), "provider kubernetes");
  assert.equal(roleOf(["node", "/x/plugins/pulumi-resource-tls", "127.0.0.1:1"]), "provider tls");
  assert.equal(roleOf(["/home/a/kwok/clusters/b/bin/kube-apiserver", "--x"]), "cluster");
  assert.equal(roleOf(["kwokctl", "create"]), "command");
});

test("a program is measured with what it starts: CPU, memory, wall time; a failure shows the end of its output", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "bench-"));
  const options = { env: {}, cwd: directory, log: path.join(directory, "log") };
  // The parent only waits, so the figures must be its child's.
  const child = "const b = Buffer.alloc(2e8, 1); const t = Date.now(); while (Date.now() - t < 1200) b.fill(2);";
  const parent = `require("child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(child)}]);`;
  try {
    const cost = await measure(process.execPath, ["-e", parent], options);
    assert.ok(cost.seconds >= 1.2);
    assert.ok(cost.cpu >= 0.2 && cost.cpu <= cost.seconds * os.cpus().length, `CPU ${cost.cpu}`);
    assert.ok(cost.memory > 2e8 && cost.memory < 1e9, `memory ${cost.memory}`);
    assert.equal(cost.processes.command, 2);
    await assert.rejects(measure("sh", ["-c", "echo why; exit 3"], options), /ended with 3:\nwhy$/);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test("an interrupt ends the measured program, not the measuring one", async () => {
  const options = { env: {}, cwd: os.tmpdir(), log: os.devNull };
  const before = process.listenerCount("SIGTERM");
  const measured = measure("sh", ["-c", "exec sleep 60"], options);
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.emit("SIGTERM");
  await assert.rejects(measured, /ended with/);
  assert.equal(process.listenerCount("SIGTERM"), before);
});

const cost = (seconds: number, more: Partial<Cost> = {}): Cost => ({
  ...{ seconds, cpu: 2, cpuByRole: { engine: 1.5, "provider kubernetes": 0.5 }, memory: 3e8 },
  processes: { engine: 1, "provider kubernetes": 2 },
  ...more,
});

test("the table gives medians, spreads and whether an aim was met", () => {
  const results = new Results();
  results.add("preview, empty program", cost(2));
  for (const seconds of [5, 3, 4]) results.add("preview, nothing to do", cost(seconds));
  results.add("destroy", cost(10.5));
  const text = table(rowsOf(results), results);
  assert.match(
    text,
    /\| preview, nothing to do \| 3 \| 4\.0 \(3\.0 to 5\.0\) \| 2\.0 .*engine 1\.5, provider kubernetes 0\.5 \| 300 \| kubernetes 2 \|/,
  );
  assert.match(text, /\| no-op preview against an empty program's, times \| 2\.00 \| 2 \| kept \|/);
  assert.match(text, /\| destroy, s \| 10\.50 \| 10 \| missed \|/);
  assert.doesNotMatch(text, /shell script/);
});

test("the plot has one panel per cost and one point per number of clusters", () => {
  const results = new Results();
  for (const [count, seconds] of [
    [2, 20],
    [4, 44],
    [8, 120],
  ] as const) {
    results.add(`up, ${count} clusters`, cost(seconds));
    results.add(`destroy, ${count} clusters`, cost(1));
    results.states.set(`${count} clusters`, { file: count * 1e6, json: 1, resources: count * 100 });
  }
  const growth = growthOf(rowsOf(results), results);
  assert.deepEqual(growth[0], {
    title: "up, seconds",
    points: [
      { x: 2, y: 20 },
      { x: 4, y: 44 },
      { x: 8, y: 120 },
    ],
  });
  const svg = plot("a & b", "clusters", growth);
  assert.ok(svg.includes("a &amp; b"));
  assert.equal(svg.match(/<circle/g)?.length, 5 * 3);
  // Every point lies in the picture.
  for (const [, y] of svg.matchAll(/cy="([-\d.]+)"/g)) assert.ok(Number(y) > 0 && Number(y) < 210, `cy ${y}`);
  assert.deepEqual(growthOf([], results), []);
  assert.throws(() => plot("x", "y", [{ title: "none", points: [] }]), /none has no points/);
});

test("nodes are measured without the page cache, by either version of cgroups", () => {
  const v2 = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 1",
    "memory.current": "1000",
    "memory.stat": "anon 400\nfile 600\nactive_anon 7\ninactive_file 300",
  };
  const v1 = {
    "cpuacct/cpuacct.usage": "2500000000",
    "memory/memory.usage_in_bytes": "1000",
    "memory/memory.stat": "rss 1\ninactive_file 2\ntotal_rss 400\ntotal_inactive_file 300",
  };
  for (const files of [v2, v1]) {
    // The container has the files of one version only, but the paths of both are printed.
    const paths = Object.keys({ ...v2, ...v1 });
    const shown = paths.map(
      (file) => `/sys/fs/cgroup/${file}\n${file in files ? `${(files as Record<string, string>)[file]}\n` : ""}`,
    );
    assert.deepEqual(parseCgroup(shown.join("")), { processes: 400, workingSet: 700, cpu: 2.5 });
  }
});

test("a mesh of k3d clusters is left out if the memory would not hold it", () => {
  const use = { clusters: 2, processes: 2e9, workingSet: 4 * 2 ** 30, cpu: 60 };
  assert.equal(memoryProblem(3, use, 8 * 2 ** 30), undefined);
  assert.equal(
    memoryProblem(4, use, 8 * 2 ** 30),
    "4 clusters are left out: they would need 10.0 GiB, and 8.0 GiB are free",
  );
  const results = new Results();
  results.addNodes("2 k3d clusters", { use, idle: 0.25, busy: 0.9 });
  assert.match(nodesTable(results.nodes).at(-1) ?? "", /^\| 2 k3d clusters \| 1000 \| 2147 \| 60 \| 0\.25 \| 90 % \|$/);
});

test("an axis ends at the least round number that is enough", () => {
  assert.deepEqual([0, 0.3, 1, 1.1, 4, 7, 80, 120].map(niceAbove), [1, 0.3, 1, 2, 4, 8, 80, 200]);
});

test("the script's objects come from the state: by cluster and phase, namespaces first, secrets in plain", () => {
  const west = "urn:pulumi:dev::mesh::mesh:index:KwokCluster$pulumi:providers:kubernetes::mesh-west::id";
  const resource = (types: string, name: string, inputs: object, provider = west) => ({
    urn: `urn:pulumi:dev::mesh::${types}::${name}`,
    type: types.split("$").at(-1) ?? "",
    provider,
    inputs,
  });
  const secret = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", plaintext: '"a2V5"' };
  const links = { kind: "CustomResourceDefinition", metadata: { name: "links.multicluster.linkerd.io" } };
  const state = JSON.stringify({
    deployment: {
      resources: [
        resource("mesh:index:Linkerd$kubernetes:core/v1:Secret", "mesh-west-issuer", {
          kind: "Secret",
          data: { key: secret },
        }),
        resource("mesh:index:Linkerd$kubernetes:core/v1:Namespace", "mesh-west", { kind: "Namespace" }),
        resource("mesh:index:Linkerd$mesh:index:Objects", "mesh-west-control-plane", {}, ""),
        resource(
          "mesh:index:Linkerd$mesh:index:Objects$kubernetes:apps/v1:Deployment",
          "mesh-west-control-plane:linkerd/linkerd-identity",
          { kind: "Deployment" },
        ),
        resource("mesh:index:Linkerd$command:local:Command", "mesh-west-crds", {
          stdin: JSON.stringify(pack([links])),
        }),
        resource("mesh:index:MulticlusterLink$mesh:index:RemoteAccess$kubernetes:core/v1:Secret", "mesh-east-to-west", {
          kind: "Secret",
        }),
        resource("mesh:index:MulticlusterLink$kubernetes:multicluster.linkerd.io/v1alpha3:Link", "mesh-west-to-east", {
          kind: "Link",
        }),
        resource("tls:index/privateKey:PrivateKey", "mesh-anchor", { algorithm: "ECDSA" }),
      ],
    },
  });
  assert.deepEqual(render(state), {
    west: {
      "10-namespaces": [{ kind: "Namespace" }, { kind: "Secret", data: { key: "a2V5" } }],
      "20-crds": [links],
      "30-control-plane": [{ kind: "Deployment" }],
      "50-access": [{ kind: "Secret" }],
      "61-link": [{ kind: "Link" }],
    },
  });
});

test("the shell scripts refuse an unknown verb", () => {
  for (const script of ["script.sh", "peers/demo.sh", "peers/helm.sh"]) {
    const file = path.join(__dirname, "..", "..", "bench", script);
    const { status, stderr } = spawnSync("sh", [file, "sideways", os.tmpdir()], { encoding: "utf8" });
    assert.equal(status, 2);
    assert.match(stderr, new RegExp(`^${path.basename(script)} got sideways; allowed: up, down`));
  }
});

test("each peer comes first in its turn, and the others keep their order", () => {
  const rounds = [1, 2, 3, 4].map((round) => orderOf(["demo", "helm", "program"], round).join(" "));
  assert.deepEqual(rounds, ["demo helm program", "helm program demo", "program demo helm", "demo helm program"]);
  assert.deepEqual(orderOf(["helm", "program"], 2), ["program", "helm"]);
});

test("the demo's steps are left out without a linkerd CLI of the charts' version", () => {
  assert.equal(demoProblem("edge-26.8.3", "edge-26.8.3"), undefined);
  assert.match(
    demoProblem(undefined, "edge-26.8.3") ?? "",
    /^Without the demo's steps: linkerd is not on PATH\. Next: .* edge-26\.8\.3$/,
  );
  assert.match(demoProblem("edge-26.7.1", "edge-26.8.3") ?? "", /linkerd on PATH is edge-26\.7\.1, which/);
});

test("the peers give the charts the program's values, and make its Links", () => {
  const domain = "east.cluster.local";
  const [, controlPlane] = linkerdCharts("mesh-east", { domain });
  const multicluster = multiclusterChart("mesh-east", { domain, targets: ["west"] });
  const includes = (all: unknown, some: unknown): boolean =>
    typeof some === "object" && some !== null
      ? Object.entries(some).every(([key, value]) => includes((all as Record<string, unknown>)[key], value))
      : all === some;
  assert.ok(includes(controlPlane.values, linkerdValues("east")));
  assert.ok(includes(multicluster.values, multiclusterValues("east", "west")));
  const { metadata, spec } = linkTo("west", "k3d-bench-west-server-0") as Record<string, Record<string, unknown>>;
  assert.deepEqual(metadata, { name: "west", namespace: "linkerd-multicluster" });
  assert.equal(spec?.gatewayAddress, "k3d-bench-west-server-0");
  assert.equal(
    spec?.gatewayIdentity,
    "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.west.cluster.local",
  );
});

test("arguments name what is wrong and what is allowed", () => {
  assert.deepEqual(parseArguments([]).chosen, ["preview", "rehearsal", "growth", "developers"]);
  assert.deepEqual(parseArguments(["growth", "--rounds", "1", "preview"]).chosen, ["growth", "preview"]);
  assert.equal(
    parseArguments(["peers", "--node-image", "rancher/k3s:v1.34.4-k3s1"]).nodeImage,
    "rancher/k3s:v1.34.4-k3s1",
  );
  for (const [words, message] of [
    [["everything"], /measure is "everything"; allowed: preview, rehearsal, growth, developers, k3d, peers/],
    [["--rounds", "0"], /--rounds is "0"; allowed: whole numbers from 1/],
    [["--fast"], /unknown option '--fast'.*Next: npm run bench -- --help/s],
    [["--charts", "/nowhere"], /--charts is "\/nowhere"; allowed: a directory/],
  ] as const) {
    assert.throws(() => parseArguments([...words]), message);
  }
});
