/**
 * Runtime `existing` on two kwok clusters that the test makes: the program installs, takes down, and installs again, and
 * leaves the clusters' own objects alone. Pods are simulated and the charts are stand-ins (offline/charts).
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { Api } from "../lib/api";
import { createKwok, type KwokCluster } from "../lib/kwok";
import { succeeded, TestStack } from "../lib/stack";

const names = ["east", "west"];
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const gatewayApi = /\.gateway\.networking\.k8s\.io$/;

let stack: TestStack;
const clusters: Record<string, KwokCluster> = {};
const apis: Record<string, Api> = {};

before(async () => {
  const made = await Promise.all(names.map((name) => createKwok(`existing-${name}`)));
  stack = await TestStack.create({ "mesh:runtime": "existing", "mesh:webhookFailurePolicy": "Ignore" });
  const existing = names.map((name, i) => {
    const cluster = made[i] as KwokCluster;
    [clusters[name], apis[name]] = [cluster, new Api(cluster.kubeconfig)];
    const kubeconfig = path.join(stack.home.directory, `${name}.yaml`);
    fs.writeFileSync(kubeconfig, cluster.kubeconfig, { mode: 0o600 });
    const context = (parse(cluster.kubeconfig) as { "current-context": string })["current-context"];
    return [name, { context, kubeconfig }] as const;
  });
  stack.configure({ "mesh:existing": Object.fromEntries(existing) });
});

after(async () => {
  await stack.end();
  await Promise.all(Object.values(clusters).map((cluster) => cluster.delete()));
});

/** Names of a cluster's Gateway API definitions. */
async function kept(name: string): Promise<string[]> {
  const all = (await apis[name]?.list(definitions)) ?? [];
  return all.map(({ metadata }) => metadata.name).filter((definition) => gatewayApi.test(definition));
}

test("definitions of the Gateway API that are not Linkerd's are refused before anything is created", async () => {
  const name = "httproutes.gateway.networking.k8s.io";
  const names = { kind: "HTTPRoute", listKind: "HTTPRouteList", plural: "httproutes", singular: "httproute" };
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  const annotations = { "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2997" };
  await apis.west?.create(definitions, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name, annotations },
    spec: {
      group: "gateway.networking.k8s.io",
      scope: "Namespaced",
      names,
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  });
  const { ok, output } = await stack.up();
  assert.equal(ok, false);
  assert.match(
    output,
    /installGatewayApi is true, but cluster west \(\S+\) has the Gateway API already, from someone other than Linkerd: httproutes\.\S+ Next: pulumi config set installGatewayApi false/,
  );
  assert.deepEqual((await stack.export()).filter(({ type }) => type.startsWith("kubernetes:")), []); // prettier-ignore
  await apis.west?.ask("DELETE", `${definitions}/${name}`);
});

/** A second update reads each gateway's address, and changes nothing. */
async function unchanged(): Promise<void> {
  const { changes } = succeeded(await stack.up());
  assert.deepEqual(changes, []);
}

test("up, destroy and up again work without a changed setting, each as its preview lists it", async () => {
  await stack.upAsPreviewed();
  await unchanged();
  for (const name of names) assert.equal((await kept(name)).length, 4);

  succeeded(await stack.destroy());
  for (const name of names) {
    assert.equal((await kept(name)).length, 4, "the chart keeps them, for routes of others");
    const namespaces = (await apis[name]?.list("/api/v1/namespaces")) ?? [];
    const left = namespaces.map(({ metadata }) => metadata.name).filter((one) => one.startsWith("linkerd"));
    assert.deepEqual(left, []);
  }

  await stack.upAsPreviewed();
  await unchanged();
});

test("a state in which Pulumi's own charts hold the objects, as before 2026-11-27, is taken over", async () => {
  await stack.editState((text) => text.replaceAll("mesh:index:Objects", "kubernetes:helm.sh/v4:Chart"));
  assert.ok((await stack.export()).some(({ type }) => type === "kubernetes:helm.sh/v4:Chart"));
  await unchanged();
});
