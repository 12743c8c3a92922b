/**
 * Charts from an OCI registry, by the real helm. The registry is a stand-in that only serves: manifests by tag, blobs, and
 * a demand for a user. Not tested with it: token servers, and TLS.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { findCharts } from "../../config/charts";
import { chartNames } from "../../config/settings";
import { root } from "../../lib/paths";

const execute = promisify(execFile);
const version = "2026.8.3";
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "charts-oci-test-"));
const digestOf = (content: Buffer) => `sha256:${createHash("sha256").update(content).digest("hex")}`;

/** By path of the distribution specification, such as `/v2/charts/linkerd-crds/manifests/2026.8.3`. */
const contents = new Map<string, { type: string; body: Buffer }>();
/** What the registry demands, if anything. */
let user: string | undefined;
let asked = 0;
let repository: string;

const server = http.createServer((request, response) => {
  asked += 1;
  const given = Buffer.from((request.headers.authorization ?? "").replace("Basic ", ""), "base64").toString();
  if (user !== undefined && given !== user) {
    response.writeHead(401, { "www-authenticate": 'Basic realm="charts"' }).end();
    return;
  }
  const found = contents.get(request.url ?? "");
  if (!found) {
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }));
    return;
  }
  const { type, body } = found;
  const head = { "content-type": type, "content-length": body.length, "docker-content-digest": digestOf(body) };
  response.writeHead(200, head).end(request.method === "HEAD" ? undefined : body);
});

before(async () => {
  for (const chart of chartNames) {
    const folder = path.join(root, "offline/charts", chart);
    await execute("helm", ["package", folder, "--version", version, "--destination", scratch]);
    publish(chart, fs.readFileSync(path.join(scratch, `${chart}-${version}.tgz`)));
  }
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  repository = `oci://127.0.0.1:${(server.address() as AddressInfo).port}/charts`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  fs.rmSync(scratch, { recursive: true });
});

/** https://helm.sh/docs/topics/registries/#helm-chart-manifest */
function publish(chart: string, archive: Buffer): void {
  const config = Buffer.from(JSON.stringify({ name: chart, version, apiVersion: "v2" }));
  const blob = (mediaType: string, body: Buffer) => {
    contents.set(`/v2/charts/${chart}/blobs/${digestOf(body)}`, { type: "application/octet-stream", body });
    return { mediaType, digest: digestOf(body), size: body.length };
  };
  const type = "application/vnd.oci.image.manifest.v1+json";
  const manifest = {
    schemaVersion: 2,
    mediaType: type,
    config: blob("application/vnd.cncf.helm.config.v1+json", config),
    layers: [blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", archive)],
  };
  const body = Buffer.from(JSON.stringify(manifest));
  for (const name of [version, digestOf(body)]) contents.set(`/v2/charts/${chart}/manifests/${name}`, { type, body });
}

let caches = 0;
const find = (of = version, cache = path.join(scratch, `cache-${(caches += 1)}`)) =>
  findCharts({ repository, version: of }, cache);

async function refused(finding: Promise<unknown>, expected: RegExp): Promise<void> {
  await assert.rejects(finding, (error) => {
    assert.ok(pulumi.RunError.isInstance(error), `a stack trace would be shown: ${String(error)}`);
    assert.match(error.message, expected);
    return true;
  });
}

test("charts are pulled once and kept", async () => {
  const cache = path.join(scratch, "kept");
  const found = await find(version, cache);
  for (const chart of chartNames) {
    assert.deepEqual(fs.readFileSync(found[chart]), fs.readFileSync(path.join(scratch, `${chart}-${version}.tgz`)));
  }
  asked = 0;
  assert.deepEqual(await find(version, cache), found);
  assert.equal(asked, 0);
  const [folder = ""] = fs.readdirSync(cache);
  assert.deepEqual(
    fs.readdirSync(path.join(cache, folder)).sort(),
    chartNames.map((chart) => `${chart}-${version}.tgz`).sort(),
  );
});

test("a version that the registry lacks is refused by name", async () => {
  await refused(
    find("2026.8.99"),
    /linkerdVersion is 2026\.8\.99; allowed: a version of linkerd-\S+ in oci:.*\. Next: helm show chart oci:/,
  );
});

test("a registry that demands a user is refused with helm's words, and read after a login", async () => {
  user = "alice:wonderland";
  await refused(find(), /chartRepository: helm pull oci:\S+ fails: .*(401|basic credential not found).*Next: /is);
  const config = path.join(scratch, "registry.json");
  const { host } = new URL(repository.replace("oci:", "http:"));
  fs.writeFileSync(config, JSON.stringify({ auths: { [host]: { auth: Buffer.from(user).toString("base64") } } }));
  process.env.HELM_REGISTRY_CONFIG = config;
  try {
    await find();
  } finally {
    delete process.env.HELM_REGISTRY_CONFIG;
    user = undefined;
  }
});

test("a registry that does not answer is refused", async () => {
  repository = "oci://127.0.0.1:9/charts";
  await refused(find(), /chartRepository: helm pull oci:\S+ fails: .*connection refused/s);
});
