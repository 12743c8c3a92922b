/** What Workloads adds to the manifests, and the guard against an empty folder. On Pulumi mocks. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import * as k8s from "@pulumi/kubernetes";
import { refuseToEmpty } from "../../components/emptiedClusters";
import type { LinkEnd } from "../../components/multicluster";
import { Workloads } from "../../components/workloads";
import type { Manifest } from "../../config/manifests";
import type { Plan } from "../../config/plan";
import { RefusedError } from "../../config/settings";

interface Made {
  type: string;
  name: string;
  metadata: Manifest["metadata"] | undefined;
  retained: boolean;
}

class Part extends pulumi.ComponentResource {
  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("mesh:index:Part", name, {}, opts);
  }
}

/** The Kubernetes resources of one cluster. */
async function made(manifests: Manifest[], namespaces: string[], isLocal = true): Promise<Made[]> {
  const all: Made[] = [];
  const retained = new Set<string>();
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        if (type.startsWith("kubernetes:") || type.includes("Namespace"))
          all.push({
            type,
            name,
            metadata: (inputs as Partial<Manifest>).metadata,
            retained: false,
          });
        return { id: name, state: inputs as object };
      },
      call: () => ({}),
    },
    "mesh",
    "dev",
    false,
  );
  const transformations: pulumi.ResourceTransformation[] = [
    ({ name, opts }) => {
      if ((opts as pulumi.CustomResourceOptions).retainOnDelete) retained.add(name);
      return undefined;
    },
  ];
  const mesh = new Part("mesh", { transformations });
  const args = {
    kubeconfig: pulumi.secret("kubeconfig"),
    linkerd: { namespace: "linkerd", ready: true },
    multicluster: { ready: true } as LinkEnd,
    ...(isLocal && { local: { physicalName: "east", resource: new k8s.Provider("local", {}) } }),
  };
  new Workloads("mesh-east", { ...args, manifests, namespaces }, { parent: mesh });
  await pulumi.runtime.disconnect();
  return all.map((one) => ({ ...one, retained: retained.has(one.name) }));
}

const inject = { "linkerd.io/inject": "enabled" };
const namespace = (name: string, annotations?: Record<string, string>): Manifest => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, ...(annotations && { annotations }) },
});
const metadataOf = (all: Made[], name: string) => all.find((one) => one.name === name)?.metadata;

test("a namespace that no manifest makes is made, with injection", async () => {
  const all = await made([], ["shop"]);
  assert.deepEqual(metadataOf(all, "mesh-east-workloads:shop"), { name: "shop", annotations: inject });
  assert.ok(all.every(({ retained }) => !retained));
});

test("in a cluster of yours it stays at a destroy, because it may hold objects of others", async () => {
  const all = await made([namespace("own")], ["shop"], false);
  assert.deepEqual(
    all.filter(({ retained }) => retained).map(({ name }) => name),
    ["mesh-east-workloads:shop"],
  );
});

test("a manifest's namespace gets injection unless the manifest says otherwise", async () => {
  const all = await made([namespace("a", { x: "y" }), namespace("b", { "linkerd.io/inject": "disabled" })], []);
  assert.deepEqual(metadataOf(all, "mesh-east-workloads:a"), { name: "a", annotations: { ...inject, x: "y" } });
  assert.deepEqual(metadataOf(all, "mesh-east-workloads:b"), {
    name: "b",
    annotations: { "linkerd.io/inject": "disabled" },
  });
});

test("a manifest of a namespace that Kubernetes makes is a patch: nobody can delete it", async () => {
  const labelled = namespace("default", { x: "y" });
  labelled.metadata.labels = { team: "shop" };
  const all = await made([labelled, namespace("kube-system", { z: "1" })], []);
  assert.deepEqual(all.map(({ type, name }) => `${type} ${name}`).sort(), [
    "kubernetes:core/v1:NamespacePatch mesh-east-default",
    "kubernetes:core/v1:NamespacePatch mesh-east-kube-system",
  ]);
  assert.deepEqual(metadataOf(all, "mesh-east-default"), {
    name: "default",
    labels: { team: "shop" },
    annotations: { ...inject, x: "y" },
  });
  assert.deepEqual(metadataOf(all, "mesh-east-kube-system"), { name: "kube-system", annotations: { z: "1" } });
});

test("without a manifest the default namespace's patch has injection alone", async () => {
  assert.deepEqual(metadataOf(await made([], []), "mesh-east-default"), { name: "default", annotations: inject });
});

test("an update does not wait for an Ingress that nothing answers", async () => {
  const ingress = { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: { name: "web" } };
  const ingressClass = { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata: { name: "nginx" } };
  const annotations = async (...how: Parameters<typeof made>) =>
    metadataOf(await made(...how), "mesh-east-workloads:default/web")?.annotations;
  assert.deepEqual(await annotations([ingress], []), { "pulumi.com/skipAwait": "true" });
  assert.deepEqual(await annotations([ingress, ingressClass], []), undefined);
  assert.deepEqual(await annotations([ingress], [], false), undefined);
});

const urn = (name: string) => `urn:pulumi:dev::mesh::mesh:index:Mesh$kubernetes:core/v1:Service::${name}`;

/** Why an update with an empty folder is refused, where the state holds these resources. */
async function refusal(names: string[], namespaces: string[] = []): Promise<string[]> {
  const outputs = Object.fromEntries(names.map((name) => [urn(name), {}]));
  const mocks: pulumi.runtime.Mocks = { newResource: ({ inputs }) => ({ id: "x", state: inputs as object }), call: () => ({ outputs }) }; // prettier-ignore
  await pulumi.runtime.setMocks(mocks, "mesh", "dev", false, "organization");
  const plan = {
    stack: "dev",
    clusters: [
      { name: "east", manifests: [] },
      { name: "west", manifests: [namespace("x")] },
    ],
    namespaces: { east: namespaces },
  };
  try {
    await refuseToEmpty(plan as unknown as Plan);
    return [];
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    return error.problems;
  } finally {
    await pulumi.runtime.disconnect();
  }
}

afterEach(() => delete process.env.MESH_DELETE_WORKLOADS);

test("an empty folder does not delete a cluster's workloads unless the user agrees", async () => {
  const standing = ["mesh-east-workloads:default/a", "mesh-east-workloads:shop", "mesh-west-workloads:default/b"];
  assert.deepEqual(await refusal(standing, ["shop"]), [
    "manifests has nothing for cluster east, and its 1 objects would be deleted; allowed: a manifest in its folder. " +
      "Next: restore the folder, or agree: MESH_DELETE_WORKLOADS=east npm start -- dev",
  ]);
  process.env.MESH_DELETE_WORKLOADS = "north,east";
  assert.deepEqual(await refusal(standing, ["shop"]), []);
});

test("an empty folder of a cluster without workloads is allowed", async () => {
  assert.deepEqual(await refusal(["mesh-east-workloads:shop", "mesh-west-workloads:default/b"], ["shop"]), []);
});
