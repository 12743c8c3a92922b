/** The package of components: its schema, its start as a plugin, and the refusal of faulty arguments. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import * as pulumi from "@pulumi/pulumi";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { GetSchemaRequest, type GetSchemaResponse } from "@pulumi/pulumi/proto/provider_pb";
import { Linkerd, Mesh } from "../../components/package";
import { checkArgs } from "../../config/arguments";
import { RefusedError } from "../../config/settings";
import { root } from "../../lib/paths";
import { schemaText } from "../../plugin/generate";

const committed = fs.readFileSync(path.join(root, "plugin/schema.json"), "utf8");

test("plugin/schema.json is made from the components' types", () => {
  assert.equal(committed, schemaText(), "it is out of date. Next: node --import tsx plugin/generate.ts");
});

test("the package starts by PulumiPlugin.yaml in any directory, as the Node.js language host starts it", async () => {
  const script = path.join(root, "node_modules/@pulumi/pulumi/cmd/run-plugin/index.js");
  const args = [script, path.join(root, "plugin"), "127.0.0.1:1"];
  const child = spawn(process.execPath, args, { cwd: os.tmpdir(), stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [port] = (await once(createInterface(child.stdout), "line")) as [string];
    const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    const response = await new Promise<GetSchemaResponse>((resolve, reject) =>
      client.getSchema(new GetSchemaRequest(), (error, answer) => (error ? reject(error) : resolve(answer))),
    );
    assert.equal(response.getSchema(), committed);
    client.close();
  } finally {
    child.kill();
  }
});

function problems(make: () => unknown): string[] {
  try {
    make();
    return [];
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    return error.problems;
  }
}

test("faulty arguments are refused with their value and what is allowed", () => {
  const refused = (component: Parameters<typeof checkArgs>[0], args: object) =>
    problems(() => checkArgs(component, "east", args));
  assert.deepEqual(refused("K3dCluster", { apiPort: 6440 }), []);
  assert.deepEqual(refused("K3dCluster", { apiPort: 80, agents: "two" }), [
    "apiPort of K3dCluster east is 80; allowed: a whole number from 1024 to 65535",
    'agents of K3dCluster east is "two"; allowed: a whole number from 0 to 20',
  ]);
  assert.deepEqual(refused("K3dCluster", { apiPort: 6440, caFile: "no/such.pem" }), [
    'caFile of K3dCluster east is "no/such.pem"; ' +
      "allowed: a readable file with certificates in PEM, and without a private key (ENOENT)",
  ]);
  assert.deepEqual(refused("Linkerd", { trustBundle: "PEM", issuer: {} }), [
    "kubeconfig of Linkerd east is nothing; allowed: a kubeconfig",
  ]);
  assert.match(
    refused("TrustAnchor", { anchor: [1] })[0] ?? "",
    /^anchor of TrustAnchor east is unknown; allowed: anchors, /,
  );
  assert.deepEqual(refused("TrustAnchor", { anchors: [] }), [
    "anchors of TrustAnchor east is []; allowed: a list of different whole numbers from 1",
  ]);
});

test("what decides which resources there are may not be an output", () => {
  assert.deepEqual(
    problems(() => checkArgs("Workloads", "east", { kubeconfig: "", linkerd: {}, multicluster: {}, manifests: pulumi.output([]) })), // prettier-ignore
    ["manifests of Workloads east is an output, known during the update only; allowed: a list of Kubernetes objects, known before the update"], // prettier-ignore
  );
});

test("a Mesh refuses links of unknown clusters, and clusters that nobody makes", () => {
  const links = [{ source: "east", target: "north" }];
  assert.deepEqual(
    problems(() => new Mesh("mesh", { clusters: { east: {}, west: { k3d: { apiPort: 6440 } } }, links })),
    [
      "links of Mesh mesh name north; allowed: one of the clusters east, west",
      "kubeconfigs.east of Mesh mesh is nothing; allowed: a kubeconfig, or k3d in clusters.east",
    ],
  );
});

test("chart values that a component sets are refused in its constructor", () => {
  const chartValues = { "linkerd-control-plane": { clusterDomain: "x" } };
  const issuer = {} as never;
  const refused = problems(() => new Linkerd("east", { kubeconfig: "", trustBundle: "", issuer, chartValues }));
  assert.match(refused.join(), /^chartValues\.linkerd-control-plane\.clusterDomain is "x"; allowed: /);
});
