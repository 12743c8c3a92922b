/** Which workloads keep their replicas as they are in the cluster. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { autoscaled } from "../../components/workloads";
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
async function ignored(manifests: Manifest[], props: Manifest): Promise<string[]> {
  const found: string[] = [];
  for (const transform of autoscaled(manifests)) {
    const args = {
      type: `kubernetes:apps/v1:${props.kind}`,
      props,
      opts: {},
    } as unknown as pulumi.ResourceTransformArgs;
    const result = await transform(args);
    found.push(...(result?.opts.ignoreChanges ?? []));
  }
  return found;
}

test("a workload that an autoscaler of its manifests scales keeps its replicas, and no other one does", async () => {
  const manifests = [scaler("StatefulSet", "web"), scaler("Deployment", "api", "shop")];
  assert.deepEqual(await ignored(manifests, object("StatefulSet", "web")), ["spec.replicas"]);
  assert.deepEqual(await ignored(manifests, object("Deployment", "api", {}, "shop")), ["spec.replicas"]);
  assert.deepEqual(await ignored(manifests, object("Deployment", "web")), []);
  assert.deepEqual(await ignored(manifests, object("Deployment", "api")), []);
  assert.deepEqual(autoscaled([object("StatefulSet", "web")]), []);
});
