/** Which workloads keep their replicas as they are in the cluster. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { replicaTransforms } from "../../components/workloads";
import type { Manifest } from "../../manifests";

const object = (kind: string, name: string, spec = {}, namespace?: string): Manifest => ({
  apiVersion: "v1",
  kind,
  metadata: { name, ...(namespace && { namespace }) },
  spec,
});
const scaler = (kind: string, name: string, namespace?: string) =>
  object("HorizontalPodAutoscaler", `${name}-scaler`, { scaleTargetRef: { kind, name } }, namespace);

/** Names of the fields that the transforms leave alone in the object. */
async function ignored(manifests: Manifest[], all: boolean, props: Manifest, group = "apps"): Promise<string[]> {
  const found: string[] = [];
  for (const transform of replicaTransforms(manifests, all)) {
    const args = { type: `kubernetes:${group}/v1:${props.kind}`, props, opts: {} } as unknown as pulumi.ResourceTransformArgs;
    const result = await transform(args);
    found.push(...(result?.opts.ignoreChanges ?? []));
  }
  return found;
}

test("a workload that an autoscaler of its manifests scales keeps its replicas, and no other one does", async () => {
  const manifests = [scaler("StatefulSet", "web"), scaler("Deployment", "api", "shop")];
  assert.deepEqual(await ignored(manifests, false, object("StatefulSet", "web")), ["spec.replicas"]);
  assert.deepEqual(await ignored(manifests, false, object("Deployment", "api", {}, "shop")), ["spec.replicas"]);
  assert.deepEqual(await ignored(manifests, false, object("Deployment", "web")), []);
  assert.deepEqual(await ignored(manifests, false, object("Deployment", "api")), []);
  assert.deepEqual(replicaTransforms([object("StatefulSet", "web")], false), []);
});

test("during a rotation every workload keeps its replicas", async () => {
  assert.deepEqual(await ignored([], true, object("Deployment", "web")), ["spec.replicas"]);
  assert.deepEqual(await ignored([], true, object("DaemonSet", "web")), []);
  assert.deepEqual(await ignored([], true, object("Deployment", "web"), "example.com"), []);
});
