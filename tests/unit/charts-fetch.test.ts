/** Charts from a Helm repository: fetched once per version and kept. Every failure is reported, and leaves nothing. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { stringify } from "yaml";
import { type ChartPaths, findCharts } from "../../config/charts";
import { type ChartName, chartNames } from "../../config/settings";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "charts-fetch-test-"));
after(() => fs.rmSync(root, { recursive: true }));

const execute = promisify(execFile);
const version = "2026.8.3";
const archives = Object.fromEntries(chartNames.map((chart) => [chart, Buffer.from(`archive of ${chart}`)])) as Record<
  ChartName,
  Buffer
>;

interface Entry {
  version: string;
  urls: string[];
  digest?: string;
}

/** The entries of each chart in the repository's index, for a test to falsify. */
let entries: Record<string, Entry[]>;
/** Takes a request over when it answers true. */
let instead: (url: string, response: http.ServerResponse) => boolean;
let asked: string[];
let cache: string;
let repository: string;
let server: http.Server;

beforeEach(async () => {
  asked = [];
  instead = () => false;
  cache = path.join(fs.mkdtempSync(path.join(root, "cache-")), "charts");
  entries = Object.fromEntries(
    chartNames.map((chart) => {
      const digest = createHash("sha256").update(archives[chart]).digest("hex");
      const entry = (one: string) => ({ version: one, urls: [`archives/${chart}-${one}.tgz`], digest });
      return [chart, ["2026.8.4", version, "2026.8.2"].map(entry)];
    }),
  );
  server = http.createServer((request, response) => {
    const url = request.url ?? "";
    asked.push(url);
    if (instead(url, response)) return;
    const chart = chartNames.find((name) => url === `/edge/archives/${name}-${version}.tgz`);
    if (url === "/edge/index.yaml") response.end(stringify({ apiVersion: "v1", entries }));
    else if (chart) response.end(archives[chart]);
    else response.writeHead(404).end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  repository = `http://127.0.0.1:${(server.address() as AddressInfo).port}/edge`;
});
afterEach(() => end());

function end(): Promise<void> {
  server.closeAllConnections();
  return new Promise((closed) => server.close(() => closed()));
}

const find = (of = version): Promise<ChartPaths> => findCharts({ repository, version: of }, cache);

function kept(): string[] {
  if (!fs.existsSync(cache)) return [];
  return fs.readdirSync(cache, { recursive: true, encoding: "utf8" }).filter((name) => /\.tgz/.test(name));
}

/** Refused without a stack trace (RunError). The message contains each of these. */
async function refused(finding: Promise<unknown>, ...expected: RegExp[]): Promise<void> {
  await assert.rejects(finding, (error) => {
    assert.ok(pulumi.RunError.isInstance(error), `a stack trace would be shown: ${String(error)}`);
    for (const pattern of expected) assert.match(error.message, pattern);
    assert.match(error.message, /Next: /);
    return true;
  });
}

test("each chart is fetched once and kept, and later runs do not use the network", async () => {
  const found = await find();
  for (const chart of chartNames) assert.deepEqual(fs.readFileSync(found[chart]), archives[chart]);
  assert.deepEqual([...asked].sort(), [
    ...chartNames.map((chart) => `/edge/archives/${chart}-${version}.tgz`).sort(),
    "/edge/index.yaml",
  ]);
  await end();
  assert.deepEqual(await find(), found);
});

test("only missing charts are fetched", async () => {
  const found = await find();
  fs.rmSync(found["linkerd-crds"]);
  asked = [];
  assert.deepEqual(await find(), found);
  assert.deepEqual(asked, ["/edge/index.yaml", `/edge/archives/linkerd-crds-${version}.tgz`]);
});

test("another repository's charts of the same version are other charts", async () => {
  const found = await find();
  const other = await findCharts({ repository: `${repository}/../edge`, version }, cache);
  for (const chart of chartNames) assert.notEqual(other[chart], found[chart]);
});

test("an archive at an absolute address is fetched from there", async () => {
  for (const chart of chartNames) {
    for (const entry of entries[chart] ?? []) entry.urls = [`${repository}/archives/${chart}-${entry.version}.tgz`];
  }
  const found = await find();
  assert.deepEqual(fs.readFileSync(found["linkerd-crds"]), archives["linkerd-crds"]);
});

test("several first runs in parallel processes leave whole archives and nothing else", async () => {
  const script = `require("./config/charts").findCharts(${JSON.stringify({ repository, version })}, ${JSON.stringify(cache)})`;
  const run = () =>
    execute(process.execPath, ["--import", "tsx", "-e", script], { cwd: path.join(__dirname, "../..") });
  await Promise.all([run(), run()]);
  assert.deepEqual(
    kept()
      .map((file) => path.basename(file))
      .sort(),
    chartNames.map((chart) => `${chart}-${version}.tgz`).sort(),
  );
  const found = await find();
  for (const chart of chartNames) assert.deepEqual(fs.readFileSync(found[chart]), archives[chart]);
});

test("an archive whose digest differs from the index is refused and not kept", async () => {
  const entry = entries["linkerd-control-plane"]?.find((candidate) => candidate.version === version);
  assert.ok(entry);
  entry.digest = "0".repeat(64);
  await refused(
    find(),
    /linkerd-control-plane 2026\.8\.3 of http:.* has digest [0-9a-f]{64}, but its index says 0{64}/,
  );
  assert.ok(!kept().some((file) => file.includes("control-plane")));
});

test("the refusal of a missing version lists the versions that exist", async () => {
  await refused(
    find("2026.8.99"),
    /linkerdVersion is 2026\.8\.99; allowed: a version of linkerd-crds in http:.*\/edge, such as 2026\.8\.4, 2026\.8\.3/,
    /Next: pulumi config set linkerdVersion <version>/,
  );
  assert.deepEqual(kept(), []);
});

test("a repository without the charts is refused by name", async () => {
  entries = {};
  await refused(find(), /linkerdVersion is 2026\.8\.3; allowed: a version of linkerd-crds in http:.*\/edge/);
});

test("a repository that does not answer is refused by its address", async () => {
  await end();
  await refused(
    find(),
    /chartRepository: http:.*\/edge\/index\.yaml does not answer \(.*ECONNREFUSED.*\)/,
    /chartDirectory/,
  );
  assert.deepEqual(kept(), []);
});

test("a host name that does not resolve is refused by its address", async () => {
  const unknown = findCharts({ repository: "http://no-such-host.invalid/edge", version }, cache);
  await refused(unknown, /chartRepository: http:\/\/no-such-host\.invalid\/edge\/index\.yaml does not answer \(.+\)/);
});

test("a repository that answers with an error is refused with it", async () => {
  instead = (_, response) => Boolean(response.writeHead(503).end());
  await refused(find(), /chartRepository: http:.*\/edge\/index\.yaml answers 503/);
});

test("a missing archive is refused with its address", async () => {
  instead = (url, response) => /crds/.test(url) && Boolean(response.writeHead(404).end());
  await refused(find(), /chartRepository: http:.*linkerd-crds-2026\.8\.3\.tgz answers 404/);
});

test("a page that is not an index, such as a login page, is refused", async () => {
  instead = (url, response) => /index/.test(url) && Boolean(response.end("<html>\n<body>Log in: here</body></html>\n"));
  await refused(find(), /chartRepository|linkerdVersion/);
  assert.deepEqual(kept(), []);
});

test("an index that is not YAML is refused by its address", async () => {
  instead = (url, response) => /index/.test(url) && Boolean(response.end("entries: [\n\t}"));
  await refused(find(), /chartRepository: http:.*\/edge\/index\.yaml/);
});

test("a download cut off in the middle is refused by its address and leaves nothing", async () => {
  instead = (url, response) => {
    if (!/multicluster/.test(url)) return false;
    response.writeHead(200, { "content-length": "1000" });
    response.write("half");
    setTimeout(() => response.destroy(), 50);
    return true;
  };
  await refused(find(), /chartRepository: http:.*linkerd-multicluster-2026\.8\.3\.tgz/);
  assert.ok(!kept().some((file) => file.includes("multicluster")));
  // It is fetched again when the connection works.
  instead = () => false;
  assert.deepEqual(fs.readFileSync((await find())["linkerd-multicluster"]), archives["linkerd-multicluster"]);
});
