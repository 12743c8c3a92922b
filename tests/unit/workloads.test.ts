/** Which workloads keep the replicas that they have in the cluster. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { autoscaled } from "../../components/workloads";
import type { Manifest } from "../../config/manifests";

const object = (kind: string, name: string, spec = {}, namespace?: string): Manifest => ({
  apiVersion: "v1",
  kind,
  metadata: { name, ...(namespace && { namespace }) },
  spec,
});
const scaler = (kind: string, name: string, namespace?: string) =>
  object("HorizontalPodAutoscaler", `${name}-scaler`, { scaleTargetRef: { kind, name } }, namespace);

/** Names of the fields that an update leaves alone in the object. */
const ignored = (manifests: Manifest[], object: Manifest) => autoscaled(manifests)(object).ignoreChanges ?? [];

test("only a workload with an autoscaler in its manifests keeps its replicas", () => {
  const manifests = [scaler("StatefulSet", "web"), scaler("Deployment", "api", "shop")];
  assert.deepEqual(ignored(manifests, object("StatefulSet", "web")), ["spec.replicas"]);
  assert.deepEqual(ignored(manifests, object("Deployment", "api", {}, "shop")), ["spec.replicas"]);
  assert.deepEqual(ignored(manifests, object("Deployment", "web")), []);
  assert.deepEqual(ignored(manifests, object("Deployment", "api")), []);
  assert.deepEqual(ignored([object("StatefulSet", "web")], object("StatefulSet", "web")), []);
});
