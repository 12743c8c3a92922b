import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { RbacAuthorizationV1Api } from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { stringify } from "yaml";
import { client, controlPlane, extension, reason, type ClusterClient, type KubernetesObject } from "../../verify/api";
import { ask, type Asked, type Asking } from "../../verify/ask";
import type { ExternalPart, Result } from "../../verify/check";
import { localDiscovery } from "../../verify/federatedMembers";
import { gatewayIdentity } from "../../verify/gateway";
import { heal } from "../../verify/heal";
import { checks } from "../../verify/allChecks";
import { verifyOptions } from "../../verify/options";
import {
  clusterLabel,
  discoveryLabel,
  exportLabel,
  federatedLabel,
  mirroredLabel,
} from "../../verify/mirroredServices";
import { fetchFromPod } from "../../verify/portForward";
import { TestNamespaces, runLabel } from "../../verify/testNamespaces";
import { Deadline, until, View } from "../../verify/watch";
import { eventually } from "../lib/eventually";
import {
  authority,
  configOf,
  controllerArgs,
  createMesh,
  gateway,
  gatewayAnnotations,
  linkObject,
  setCredentials,
  setTrust,
  setWebhook,
  webhookServices,
  type TestMesh,
} from "../lib/mesh";
import { TestMirror, type Fault } from "../lib/mirror";

/** Longer than anything takes on a busy machine. A failing check takes all of it. */
const faultSeconds = 12;
const healthySeconds = 60;

let mesh: TestMesh;
/** The mirror of east->west is the one with faults, by namespace; west->east is always good. */
let mirror: TestMirror;
let back: TestMirror;
const faults = new Map<string, Fault>();
/** Answers where a port-forward to port 4191 of a pod leads. */
let admin: Server;

before(async () => {
  admin = createServer((request, response) => {
    response.writeHead(request.url === "/metrics" ? 200 : 403).end(`${request.url}\n${"x".repeat(200_000)}`);
  });
  await new Promise<void>((resolve) => admin.listen(0, "127.0.0.1", resolve));
  // Nothing listens on port 1.
  const podPorts = [
    { pod: 4191, here: (admin.address() as AddressInfo).port },
    { pod: 9999, here: 1 },
  ];
  mesh = await createMesh("verify", podPorts);
  const { east, west } = mesh;
  const fault = (namespace: string): Fault | undefined => faults.get(namespace.replace(/-\d+$/, ""));
  mirror = await TestMirror.start({ source: east, target: west, gateway, fault });
  back = await TestMirror.start({ source: west, target: east, gateway });
  const [root] = await asked(["damage.unmirrored"], { seconds: healthySeconds });
  assert.equal(root?.answer, "yes", root?.why);
});

after(async () => {
  await mirror.stop();
  await back.stop();
  await mesh.delete();
  admin.close();
});

interface How {
  seconds?: number;
  external?: ExternalPart[];
  testNamespaces?: TestNamespaces;
  /** Without it: both links. */
  only?: "east->west";
}

function asking({ seconds, external = ["mirror"], testNamespaces, only }: How): Asking {
  const { stack, east, west } = mesh;
  return {
    stack: only ? { ...stack, links: [{ source: "east", target: "west" }] } : stack,
    clusters: { east, west },
    external: new Set(external),
    testNamespaces: testNamespaces ?? new TestNamespaces([east, west]),
    signal: new AbortController().signal,
    deadlineSeconds: seconds,
    tell: () => undefined,
  };
}

/** Asks checks by id or group and leaves nothing behind. */
async function asked(ids: string[], how: How = {}): Promise<Result[]> {
  const all = asking(how);
  try {
    const chosen = checks.filter(({ id, group }) => ids.includes(id) || ids.includes(group));
    assert.notEqual(chosen.length, 0, `no check is called ${ids.join(", ")}`);
    return (await ask(chosen, all)).map(({ result }: Asked) => result);
  } finally {
    assert.deepEqual(await all.testNamespaces.close(), []);
  }
}

function told(results: Result[], answer: Result["answer"]): string[] {
  return results.filter((result) => result.answer === answer).map(({ id, on, why }) => `${id} ${on}: ${why}`);
}

/** Runs jobs a few at a time: each waits most of its time. */
async function inParallel(jobs: (() => Promise<void>)[], atOnce: number): Promise<void> {
  const queue = [...jobs];
  const workers = Array.from({ length: atOnce }, async () => {
    for (let job = queue.shift(); job; job = queue.shift()) await job();
  });
  const failed = (await Promise.allSettled(workers)).find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}

test("a good mirror: nothing is reported, two runs at once", async () => {
  const runs = await Promise.all(
    [1, 2].map(() => asked(["health", "damage", "mirror", "validation"], { seconds: healthySeconds })),
  );
  for (const results of runs) {
    assert.deepEqual(told(results, "no"), []);
    for (const group of ["mirror", "validation"]) {
      const answers = results.filter((result) => result.group === group).map(({ answer }) => answer);
      assert.ok(answers.length > 0 && answers.every((answer) => answer === "yes"), `${group}: ${answers.join()}`);
    }
  }
});

test("simulated pods: checks that they cannot answer are not applicable, with the reason", async () => {
  const results = await asked(["mirror", "traffic", "validation", "damage.proxyless", "damage.unmirrored"], {
    external: [],
  });
  assert.deepEqual(told(results, "yes"), []);
  assert.deepEqual(told(results, "no"), []);
  assert.ok(results.every(({ why }) => why.includes("simulated by kwok")));
});

/** One fault of the mirror, the check made for it, and what it must say. */
const sandboxFaults: [Fault, string, RegExp][] = [
  ["nothing mirrored", "mirror.headless", /there is no service web-west/],
  ["not headless", "mirror.headless", /has clusterIP .*, it is not headless/],
  ["endpoint mirror missing", "mirror.endpoint-mirrors", /pod set-1 has no service set-1-west/],
  ["endpoint mirror headless", "mirror.endpoint-mirrors", /set-0-west is headless/],
  [
    "endpoint mirror unlabelled",
    "mirror.endpoint-mirrors",
    /lacks the label mirror.linkerd.io\/headless-mirror-svc-name/,
  ],
  [
    "endpoint mirror stands for another pod",
    "mirror.endpoint-mirrors",
    /set-0-west stands for set-1\.web\..*, not for set-0/,
  ],
  ["endpoint mirror without address", "mirror.endpoint-mirrors", /set-0-west has no ready address/],
  ["host names missing", "mirror.addresses", /lists a nameless/],
  ["headless endpoints not ready", "mirror.addresses", /lists set-0 as not ready/],
  ["headless endpoints overwritten", "mirror.addresses", /lists a nameless 192\.0\.2\.1, no endpoint mirror's address/],
  ["unexport ignored", "mirror.unexport", /^still there: .*service web-west/],
  ["unexport leaves endpoint mirrors", "mirror.unexport", /^still there: (?!.*web-west).*service set-0-west/],
  ["delete ignored", "mirror.delete", /^still there: .*service web-west/],
  ["delete leaves endpoint mirrors", "mirror.delete", /^still there: (?!.*web-west).*service set-0-west/],
  ["never re-created", "mirror.reexport", /^there is no service web-west/],
  ["scale up ignored", "mirror.scale-up", /pod set-2 has no service set-2-west/],
  ["scale down ignored", "mirror.scale-down", /surplus: set-2-west/],
  ["scale down still listed", "mirror.scale-down", /lists set-2 .*no endpoint mirror's address/],
  ["no event", "validation.no-ports-event", /no event ServiceMirroringSkipped on service no-ports-event/],
  ["event on another object", "validation.no-ports-event", /it is on Endpoints no-ports-event/],
  ["event with another reason", "validation.no-ports-event", /has only Mirrored/],
  ["mirrored without ports", "validation.no-ports-mirror", /no-ports-west was made/],
  ["Deployment not mirrored", "validation.deployment", /there is no service deploy-west/],
  ["Deployment mirrored headless", "validation.deployment", /deploy-west is headless/],
  ["clusterIP mirror empty", "validation.deployment", /deploy-west has no ready address/],
  ["clusterIP mirror left behind", "validation.deployment-unexport", /deploy-west is still there/],
  ["clusterIP mirror left behind", "validation.deployment-delete", /deploy-west is still there/],
  ["clean-up harms others", "validation.deployment-unexport", /the StatefulSet's mirrors were harmed/],
  ["clean-up harms others", "validation.deployment-delete", /the StatefulSet's mirrors were harmed/],
];

test("each fault of the mirror is caught by the check made for it", async (t) => {
  const jobs = sandboxFaults.map(([fault, id, why]) => async () => {
    const { east, west } = mesh;
    const testNamespaces = new TestNamespaces([east, west]);
    const namespace = `mesh-verify-${testNamespaces.run}`;
    faults.set(namespace, fault);
    const [result] = await asked([id], { seconds: faultSeconds, testNamespaces, only: "east->west" });
    await t.test(`${fault}: ${id}`, () => {
      assert.equal(result?.answer, "no", result?.why);
      assert.match(result.why, why);
      assert.ok(result.objects.length > 0 && result.next, "a failure names its objects and the next command");
    });
  });
  await inParallel(jobs, 6);
});

/** Faults in what the stack itself mirrors: `damage` breaks it, `repair` puts it right again. */
interface Damage {
  name: string;
  id: string;
  why: RegExp;
  external?: ExternalPart[];
  damage(): Promise<unknown>;
  repair(): Promise<unknown>;
}

function mirrorFault(fault: Fault, id: string, why: RegExp): Damage {
  return {
    name: fault,
    id,
    why,
    damage: () => setFault(fault),
    repair: () => setFault(undefined),
  };
}

function setFault(fault: Fault | undefined): Promise<void> {
  if (fault) faults.set("default", fault);
  else faults.delete("default");
  return mirror.settled();
}

const path = { namespace: "default", name: "leftover" };

function makeService(
  cluster: ClusterClient,
  labels: Record<string, string>,
  { name = path.name, annotations }: { name?: string; annotations?: Record<string, string> } = {},
): Promise<unknown> {
  const body = { metadata: { name, labels, annotations }, spec: { ports: [{ port: 80 }] } };
  return cluster.core.createNamespacedService({ namespace: "default", body });
}

const member = { [federatedLabel]: "member" };
const federated = "leftover-federated";
const gone = { namespace: extension, name: "probe-west" };
const credentials = { namespace: extension, name: "cluster-credentials-west" };
let token = "";

async function ofLink(): Promise<string> {
  const secret = await mesh.east.core.readNamespacedSecret(credentials);
  const kubeconfig = Buffer.from(secret.data?.["kubeconfig"] ?? "", "base64").toString();
  return (JSON.parse(kubeconfig) as { users: [{ user: { token: string } }] }).users[0].user.token;
}

async function withRoles(use: (rbac: RbacAuthorizationV1Api) => Promise<unknown>): Promise<void> {
  const { RbacAuthorizationV1Api } = await client();
  await use(mesh.west.kube.makeApiClient(RbacAuthorizationV1Api));
}

const role = "linkerd-service-mirror-east";
const links = { group: "multicluster.linkerd.io", version: "v1alpha3", namespace: extension, plural: "links" };

const damages: Damage[] = [
  mirrorFault(
    "headless endpoints not ready",
    "damage.headless-not-ready",
    /nginx-svc-west lists nginx-set-0, nginx-set-1 as not ready/,
  ),
  mirrorFault(
    "headless endpoints overwritten",
    "damage.headless-overwritten",
    /nginx-svc-west lists the gateway's 192\.0\.2\.1/,
  ),
  mirrorFault("nothing mirrored", "damage.unmirrored", /default\/nginx-svc-west is missing/),
  mirrorFault("endpoint mirror missing", "damage.unmirrored", /default\/nginx-set-1-west is missing/),
  mirrorFault("clusterIP mirror empty", "damage.empty", /default\/nginx-deploy-svc-west has no address/),
  mirrorFault("stale gateway", "damage.stale-gateway", /points at 192\.0\.2\.99, the gateway is at 192\.0\.2\.1/),
  {
    name: "mirror of a service that is gone",
    id: "damage.ghosts",
    why: /default\/leftover-west: nothing is exported behind it/,
    async damage() {
      await makeService(mesh.west, { [exportLabel]: "true" });
      await seen(mesh.east, "leftover-west", true);
      await setFault("delete ignored");
      await mesh.west.core.deleteNamespacedService(path);
    },
    repair: () => setFault(undefined),
  },
  {
    name: "mirror whose link is gone",
    id: "damage.orphans",
    why: /default\/leftover: there is no link north/,
    damage: () => makeService(mesh.east, { [mirroredLabel]: "true", [clusterLabel]: "north" }),
    repair: () => mesh.east.core.deleteNamespacedService(path),
  },
  {
    name: "federated service without the cluster's own member",
    id: "damage.federated-members",
    why: /^default\/leftover-federated lacks the pods of east$/,
    async damage() {
      await makeService(mesh.east, member);
      await makeService(mesh.west, {}, { name: federated, annotations: { [discoveryLabel]: "leftover@east" } });
    },
    async repair() {
      await mesh.east.core.deleteNamespacedService(path);
      await mesh.west.core.deleteNamespacedService({ ...path, name: federated });
    },
  },
  {
    name: "federated service without another cluster's member",
    id: "damage.federated-members",
    why: /^default\/leftover-federated lacks the pods of west$/,
    async damage() {
      const own = { [localDiscovery]: "leftover" };
      for (const cluster of [mesh.east, mesh.west]) await makeService(cluster, member);
      await makeService(mesh.east, {}, { name: federated, annotations: own });
      const annotations = { ...own, [discoveryLabel]: "leftover@east" };
      await makeService(mesh.west, {}, { name: federated, annotations });
    },
    async repair() {
      for (const { core } of [mesh.east, mesh.west])
        for (const name of [path.name, federated]) await core.deleteNamespacedService({ ...path, name });
    },
  },
  {
    name: "pod without a proxy",
    id: "damage.proxyless",
    why: /default\/bare runs without a proxy/,
    external: ["injector"],
    damage: () =>
      mesh.east.core.createNamespacedPod({
        namespace: "default",
        body: {
          metadata: { name: "bare", annotations: { "linkerd.io/inject": "enabled" } },
          spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "bare", image: "none" }] },
        },
      }),
    repair: () => mesh.east.core.deleteNamespacedPod({ namespace: "default", name: "bare" }),
  },
  {
    name: "credentials refused",
    id: "health.credentials",
    why: /refuses the token \(401\)/,
    async damage() {
      token = await ofLink();
      await setCredentials(mesh.east, mesh.west, "not-a-token");
    },
    repair: () => setCredentials(mesh.east, mesh.west, token),
  },
  {
    name: "credentials without rights",
    id: "health.credentials",
    why: /they may not list services, get services/,
    damage: () => withRoles((rbac) => rbac.deleteClusterRoleBinding({ name: role })),
    repair: () =>
      withRoles((rbac) =>
        rbac.createClusterRoleBinding({
          body: {
            metadata: { name: role },
            roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
            subjects: [{ kind: "ServiceAccount", name: role, namespace: extension }],
          },
        }),
      ),
  },
  {
    name: "trust anchors differ",
    id: "health.anchors-equal",
    why: /the bundles differ/,
    async damage() {
      const other = await authority("other");
      await setTrust(mesh.east, other, await authority("issuer", other));
    },
    repair: trust,
  },
  {
    name: "issuer of another anchor",
    id: "health.issuer",
    why: /not signed by any of the 1 trust anchors/,
    damage: async () => setTrust(mesh.east, mesh.anchor, await authority("issuer", await authority("other"))),
    repair: trust,
  },
  {
    name: "issuer expired",
    id: "health.issuer",
    why: /the issuer expired on/,
    damage: async () => setTrust(mesh.east, mesh.anchor, await authority("issuer", mesh.anchor, -1)),
    repair: trust,
  },
  {
    name: "Link gone",
    id: "health.link",
    why: /there is no Link west/,
    damage: () => mesh.east.custom.deleteNamespacedCustomObject({ ...links, name: "west" }),
    repair: () => mesh.east.custom.createNamespacedCustomObject({ ...links, body: linkObject(mesh.west) }),
  },
  {
    name: "gateway unknown to the mirror",
    id: "health.gateway-probe",
    why: /probe-west has no address/,
    damage: () => mesh.east.core.deleteNamespacedEndpoints(gone),
    repair: () =>
      mesh.east.core.createNamespacedEndpoints({
        namespace: extension,
        body: { metadata: gone, subsets: [{ addresses: [{ ip: gateway.ip }], ports: [{ port: 4191 }] }] },
      }),
  },
];

async function trust(): Promise<void> {
  await setTrust(mesh.east, mesh.anchor, await authority("issuer", mesh.anchor));
}

/** Watches until a service is, or is no more, in namespace default. */
async function seen(cluster: ClusterClient, name: string, there: boolean): Promise<void> {
  const list = (): ReturnType<typeof cluster.core.listNamespacedService> =>
    cluster.core.listNamespacedService({ namespace: "default" });
  const view = await View.open(cluster, "/api/v1/namespaces/default/services", list);
  try {
    const deadline = new Deadline(healthySeconds, new AbortController().signal);
    const still = await until([view], () => ((view.get(name) !== undefined) === there ? undefined : name), deadline);
    assert.equal(still, undefined);
  } finally {
    await view.close();
  }
}

test("each damage to a stack is caught by the check made for it, and only while it lasts", async (t) => {
  for (const one of damages) {
    const { name, id, why, external } = one;
    await t.test(`${name}: ${id}`, async () => {
      await one.damage();
      const bad = await asked([id], { seconds: 2, external }).finally(() => one.repair());
      const caught = bad.filter(({ answer }) => answer === "no");
      assert.ok(caught.length > 0, `not caught: ${bad.map((result) => result.why).join()}`);
      assert.ok(
        caught.every(({ on }) => on === "east->west" || on === "east" || id === "health.anchors-equal"),
        told(bad, "no").join(),
      );
      assert.match(caught.map((result) => result.why).join(), why);
      assert.deepEqual(told(await asked([id], { seconds: healthySeconds, external }), "no"), []);
    });
  }
});

/** Brings a Deployment to this many replicas, and waits until they are ready. */
async function scale({ apps }: ClusterClient, namespace: string, name: string, replicas: number): Promise<void> {
  const body = [{ op: "replace", path: "/spec/replicas", value: replicas }];
  await apps.patchNamespacedDeployment({ namespace, name, body });
  await eventually(async () => {
    const { status } = await apps.readNamespacedDeployment({ namespace, name });
    assert.equal(status?.readyReplicas ?? 0, replicas);
  });
}

test("a Deployment scaled to 0 is not available, though Kubernetes says so", async () => {
  const { east } = mesh;
  const scaled = [
    [controlPlane, "linkerd-destination", "health.control-plane"],
    [extension, "linkerd-gateway", "health.gateway"],
    [extension, "controller-west", "health.controller"],
  ] as const;
  const ids = scaled.map(([, , id]) => id);
  await Promise.all(scaled.map(([namespace, name]) => scale(east, namespace, name, 0)));
  try {
    const results = await asked(ids);
    for (const [, name, id] of scaled) {
      const result = results.find((one) => one.id === id && one.on.startsWith("east"));
      assert.deepEqual([result?.answer, result?.why], ["no", `${name} is scaled to 0`]);
      assert.equal(result?.next, "npm start -- rehearsal --refresh");
    }
    assert.equal(told(results, "no").length, scaled.length);
  } finally {
    await Promise.all(scaled.map(([namespace, name]) => scale(east, namespace, name, 1)));
  }
  assert.deepEqual(told(await asked(ids), "no"), []);
});

/** What each check must say about the fields that `breakFields` breaks. */
const fieldsTold: Record<string, RegExp[]> = {
  "health.issuer": [/key\.pem is not the key of the certificate/],
  "health.injector": [/tls\.key is not the key of the certificate/],
  "health.sp-validator": [
    /caBundle did not sign the certificate in tls\.crt/,
    /tls\.crt is for DNS:elsewhere\.linkerd\.svc, expected DNS:linkerd-sp-validator\.linkerd\.svc/,
    /tls\.crt expired on/,
  ],
  "health.policy-validator": [/tls\.key is BEGIN EC PRIVATE KEY, expected BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY/],
  "health.config": [
    /values\.clusterDomain is "wrong", expected "east\.cluster\.local"/,
    /values\.identityTrustDomain is "wrong", expected "east\.cluster\.local"/,
    /linkerd-destination, container policy: -identity-domain is "wrong", expected "east\.cluster\.local"/,
  ],
  "health.gateway-settings": [
    /annotation config\.linkerd\.io\/enable-gateway of the deployment's pods is missing, expected "true"/,
    /selector app of the service is "wrong", expected "linkerd-gateway"/,
    /annotation mirror\.linkerd\.io\/gateway-identity of the service is "wrong", expected "linkerd-gateway\./,
  ],
  "health.controller-rights": [/controller-west may not get secrets, list links, /],
  "health.link": [
    /targetClusterName is "wrong", expected "west"/,
    /targetClusterDomain is "wrong", expected "west\.cluster\.local"/,
    /targetClusterLinkerdNamespace is "wrong", expected "linkerd"/,
    /clusterCredentialsSecret is "wrong", expected "cluster-credentials-west"/,
  ],
  "health.link-gateway": [
    /gatewayAddress is "wrong", expected "192\.0\.2\.1"/,
    /gatewayPort is "4144", expected "4143"/,
    /gatewayIdentity is "wrong", expected "linkerd-gateway\.\S+\.identity\.linkerd\.west\.cluster\.local"/,
  ],
  "health.link-probe": [
    /probeSpec\.path is "\/wrong", expected "\/ready"/,
    /probeSpec\.port is "4192", expected "4191"/,
    /probeSpec\.period is "soon", expected "3s"/,
    /probeSpec\.timeout is "long", expected "30s"/,
    /probeSpec\.failureThreshold is "some", expected "3"/,
    /port of probe-west is "4192", expected "4191"/,
  ],
  "health.link-selectors": [
    /selector is \{"matchLabels":\{"wrong":"true"\}\}: expected to match mirror\.linkerd\.io\/exported=true/,
    /remoteDiscoverySelector is \{\}, which matches nothing/,
    /federatedServiceSelector is missing, which matches nothing/,
  ],
  "health.controller-settings": [
    /argument -namespace is "wrong", expected "linkerd-multicluster"/,
    /argument -probe-service is missing, expected "probe-west"/,
    /argument -enable-headless-services is missing/,
    /the Link's name, is "wrong", expected "west"/,
  ],
  "health.credentials-secrets": [
    /type of the secret in linkerd-multicluster is "Opaque", expected "mirror\.linkerd\.io\/remote-kubeconfig"/,
    /type of the secret in linkerd is "Opaque"/,
    /label multicluster\.linkerd\.io\/cluster-name of the secret in linkerd is "wrong", expected "west"/,
    /annotation multicluster\.linkerd\.io\/trust-domain of the secret in linkerd is "wrong"/,
    /annotation multicluster\.linkerd\.io\/cluster-domain of the secret in linkerd is "wrong"/,
    /server of the kubeconfig is "https:\/\/wrong:6443", expected "https:\/\/127/,
    /certificate-authority-data of the kubeconfig is CN=other .*, expected the target's CA/,
    /token of the kubeconfig is missing/,
  ],
};

const wrongSpec = {
  targetClusterName: "wrong",
  targetClusterDomain: "wrong",
  targetClusterLinkerdNamespace: "wrong",
  clusterCredentialsSecret: "wrong",
  gatewayAddress: "wrong",
  gatewayPort: "4144",
  gatewayIdentity: "wrong",
  probeSpec: { path: "/wrong", port: "4192", period: "soon", timeout: "long", failureThreshold: "some" },
  selector: { matchLabels: { wrong: "true" } },
  remoteDiscoverySelector: {},
};

async function setLink(spec: object): Promise<void> {
  const body = [{ op: "replace", path: "/spec", value: spec }];
  await mesh.east.custom.patchNamespacedCustomObject({ ...links, name: "west", body });
}

async function setProbePort(port: number): Promise<void> {
  const body = [{ op: "replace", path: "/spec/ports/0/port", value: port }];
  await mesh.east.core.patchNamespacedService({ ...gone, body });
}

async function setArgs(namespace: string, name: string, container: number, args: string[]): Promise<void> {
  const path = `/spec/template/spec/containers/${container}/args`;
  await mesh.east.apps.patchNamespacedDeployment({ namespace, name, body: [{ op: "replace", path, value: args }] });
}

async function setDomain(domain: string): Promise<void> {
  const values = stringify(configOf(domain));
  const body = [{ op: "replace", path: "/data/values", value: values }];
  await mesh.east.core.patchNamespacedConfigMap({ namespace: controlPlane, name: "linkerd-config", body });
  const flags = [`--identity-domain=${domain}`, `--cluster-domain=${domain}`];
  await setArgs(controlPlane, "linkerd-destination", 1, flags);
}

const gatewayObject = { namespace: extension, name: "linkerd-gateway" };

async function setGateway(app: string, identity: string, annotations: Record<string, string>): Promise<void> {
  const { apps, core } = mesh.east;
  const marked = "/metadata/annotations/mirror.linkerd.io~1gateway-identity";
  await core.patchNamespacedService({
    ...gatewayObject,
    body: [
      { op: "replace", path: "/spec/selector/app", value: app },
      { op: "replace", path: marked, value: identity },
    ],
  });
  const path = "/spec/template/metadata/annotations";
  await apps.patchNamespacedDeployment({ ...gatewayObject, body: [{ op: "replace", path, value: annotations }] });
}

/** Whether the controller of east->west has the Role that lets it read its Link and its Secret. */
async function setRole(there: boolean): Promise<void> {
  const { RbacAuthorizationV1Api } = await client();
  const rbac = mesh.east.kube.makeApiClient(RbacAuthorizationV1Api);
  const path = { namespace: extension, name: "controller-west" };
  if (!there) {
    await rbac.deleteNamespacedRoleBinding(path);
    return;
  }
  const { name } = path;
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name };
  const subjects = [{ kind: "ServiceAccount", ...path }];
  await rbac.createNamespacedRoleBinding({ namespace: extension, body: { metadata: { name }, roleRef, subjects } });
}

async function breakFields(): Promise<void> {
  const { east, west, anchor } = mesh;
  const [injector, spValidator, policyValidator] = webhookServices;
  const other = await authority("other");
  const sec1 = createPrivateKey(other.key).export({ type: "sec1", format: "pem" }).toString();
  await Promise.all([
    setLink(wrongSpec),
    setGateway("wrong", "wrong", { "linkerd.io/inject": "enabled" }),
    setRole(false),
    setProbePort(4192),
    setDomain("wrong"),
    setArgs(extension, "controller-west", 0, ["service-mirror", "-namespace=wrong", "wrong"]),
    setCredentials(east, west, undefined, {
      ...{ server: "https://wrong:6443", ca: other.pem, type: "Opaque", name: "wrong", domain: "wrong" },
    }),
    setTrust(east, anchor, { ...(await authority("issuer", anchor)), key: other.key }),
    setWebhook(east, injector, { key: other.key }),
    setWebhook(east, spValidator, {
      certificate: await authority("elsewhere.linkerd.svc", undefined, -1),
      trusted: other,
    }),
    setWebhook(east, policyValidator, { key: sec1 }),
  ]);
}

async function mendFields(): Promise<void> {
  const { east, west } = mesh;
  await Promise.all([
    setLink(linkObject(west).spec),
    setGateway("linkerd-gateway", gatewayIdentity(east), gatewayAnnotations),
    setRole(true),
    setProbePort(4191),
    setDomain(east.domain),
    setArgs(extension, "controller-west", 0, controllerArgs("west")),
    setCredentials(east, west, token),
    trust(),
    ...webhookServices.map((service) => setWebhook(east, service)),
  ]);
}

test("each wrong field that breaks a mesh is named, with its value and the right one", async (t) => {
  token = await ofLink();
  await breakFields();
  const results = await asked(Object.keys(fieldsTold)).finally(mendFields);
  for (const [id, fields] of Object.entries(fieldsTold)) {
    await t.test(id, () => {
      const caught = results.filter((result) => result.id === id && result.answer === "no");
      assert.deepEqual(
        caught.map(({ on }) => on.replace("->west", "")),
        ["east"],
        told(results, "no").join("\n"),
      );
      for (const field of fields) assert.match(caught[0]?.why ?? "", field);
      assert.equal(caught[0]?.next, "npm start -- rehearsal --refresh");
      assert.ok(caught[0].objects.length > 0);
    });
  }
  await eventually(async () => assert.deepEqual(told(await asked(["health"]), "no"), []));
});

test("a pod that trusts other anchors is named, with the reason why nobody restarts it", async () => {
  const { east, anchor } = mesh;
  const dropped = (await authority("dropped")).pem;
  const labels = { app: "stale", "linkerd.io/control-plane-ns": controlPlane };
  const trusting = (value: string) => ({
    terminationGracePeriodSeconds: 0,
    containers: [
      { name: "app", image: "none" },
      { name: "linkerd-proxy", image: "none", env: [{ name: "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", value }] },
    ],
  });
  const workload = (app: string, value = dropped) => ({
    selector: { matchLabels: { app } },
    template: { metadata: { labels: { ...labels, app } }, spec: trusting(value) },
  });
  const namespace = "default";
  const { apps, core } = east;
  await Promise.all([
    core.createNamespacedPod({ namespace, body: { metadata: { name: "bare", labels }, spec: trusting(dropped) } }),
    apps.createNamespacedStatefulSet({
      namespace,
      body: {
        metadata: { name: "on-delete" },
        spec: { serviceName: "x", updateStrategy: { type: "OnDelete" }, ...workload("a") },
      },
    }),
    apps.createNamespacedStatefulSet({
      namespace,
      body: {
        metadata: { name: "parted" },
        spec: { serviceName: "x", updateStrategy: { rollingUpdate: { partition: 1 } }, ...workload("b") },
      },
    }),
    apps.createNamespacedDaemonSet({
      namespace,
      body: { metadata: { name: "daemon" }, spec: { updateStrategy: { type: "OnDelete" }, ...workload("c") } },
    }),
    apps.createNamespacedDeployment({
      namespace,
      body: { metadata: { name: "mixed" }, spec: workload("d", dropped + anchor.pem) },
    }),
    apps.createNamespacedDeployment({
      namespace,
      body: { metadata: { name: "good" }, spec: workload("e", `${anchor.pem}\n`) },
    }),
  ]);
  try {
    await eventually(async () => {
      const [result] = (await asked(["health.pod-anchors"])).filter(({ on }) => on === "east");
      assert.equal(result?.answer, "no", result?.why);
      const alone = "trusts none of the present anchors: it and the other proxies refuse each other";
      const { why, next = "" } = result;
      assert.ok(why.includes(`default/bare ${alone} (a bare pod, which nothing restarts)`), why);
      assert.ok(why.includes(`default/on-delete-0 ${alone} (StatefulSet on-delete has updateStrategy OnDelete)`), why);
      assert.ok(
        why.includes(`default/parted-0 ${alone} (StatefulSet parted has partition 1 in its updateStrategy)`),
        why,
      );
      assert.match(why, /default\/daemon-\w+ trusts none .*? \(DaemonSet daemon has updateStrategy OnDelete\)/);
      assert.match(
        why,
        /default\/mixed-\S+ also trusts an anchor that was dropped \(Deployment mixed has not restarted/,
      );
      assert.doesNotMatch(why, /good/);
      assert.match(
        next,
        /^kubectl --context kwok-east -n default delete pod .*bare.* && npm start -- rehearsal --refresh$/,
      );
    });
  } finally {
    await Promise.all([
      core.deleteNamespacedPod({ namespace, name: "bare" }),
      ...["on-delete", "parted"].map((name) => apps.deleteNamespacedStatefulSet({ namespace, name })),
      apps.deleteNamespacedDaemonSet({ namespace, name: "daemon" }),
      ...["mixed", "good"].map((name) => apps.deleteNamespacedDeployment({ namespace, name })),
    ]);
  }
  await eventually(async () => assert.deepEqual(told(await asked(["health.pod-anchors"]), "no"), []));
});

test("a pod's port is read through a port-forward, and errors are reported", async () => {
  const { east } = mesh;
  const [pod] = (await east.core.listNamespacedPod({ namespace: extension, labelSelector: "app=linkerd-gateway" }))
    .items;
  const place = { namespace: extension, name: pod?.metadata?.name ?? "" };
  const within = (seconds: number): Deadline => new Deadline(seconds, new AbortController().signal);
  const metrics = await fetchFromPod(east, place, 4191, "/metrics", within(healthySeconds));
  assert.equal(metrics.length, "/metrics\n".length + 200_000);
  const failing = (name: string, port: number, path: string, words: RegExp) =>
    assert.rejects(fetchFromPod(east, { ...place, name }, port, path, within(healthySeconds)), (error) => {
      assert.match(reason(error), words);
      return true;
    });
  await failing(place.name, 4191, "/other", /^port 4191 of pod .*: it answered 403: \/other$/);
  await failing(place.name, 9999, "/metrics", /^port 9999 of pod linkerd-multicluster\/.*: \S/);
  await failing("nobody", 4191, "/metrics", /^port 4191 of pod linkerd-multicluster\/nobody: .*404/);
});

test("heal restarts the controller of the damaged link, and nothing else", async () => {
  const { east, west } = mesh;
  const list = (cluster: ClusterClient) => () => cluster.core.listNamespacedPod({ namespace: extension });
  const pods = `/api/v1/namespaces/${extension}/pods`;
  const [here, there] = await Promise.all([View.open(east, pods, list(east)), View.open(west, pods, list(west))]);
  const uids = (view: View<KubernetesObject>, of: (name: string) => boolean): string =>
    view
      .items()
      .filter(({ metadata }) => of(metadata?.name ?? ""))
      .map(({ metadata }) => metadata?.uid)
      .sort()
      .join();
  const controller = (name: string): boolean => name.startsWith("controller-west");
  const before = [uids(here, controller), uids(here, (name) => !controller(name)), uids(there, () => true)];
  // After a restart the real mirror looks at everything anew.
  here.listen(() => {
    if (uids(here, controller) !== before[0]) void setFault(undefined);
  });
  try {
    await setFault("headless endpoints overwritten");
    const how = asking({ seconds: 3 });
    assert.equal(await heal(how, true), 1, "a dry run repairs nothing");
    assert.equal(uids(here, controller), before[0]);
    assert.equal(await heal({ ...how, deadlineSeconds: faultSeconds }, false), 0);
    assert.notEqual(uids(here, controller), before[0]);
    assert.deepEqual([uids(here, (name) => !controller(name)), uids(there, () => true)], before.slice(1));
    assert.equal(await heal(how, false), 0, "nothing is left to do");
  } finally {
    await setFault(undefined);
    await here.close();
    await there.close();
  }
});

test("heal removes orphans and leaves other services", async () => {
  await makeService(mesh.east, { [mirroredLabel]: "true", [clusterLabel]: "north" });
  const body = { metadata: { name: "mine" }, spec: { ports: [{ port: 80 }] } };
  await mesh.east.core.createNamespacedService({ namespace: "default", body });
  assert.equal(await heal(asking({ seconds: 3 }), false), 0);
  await seen(mesh.east, path.name, false);
  await seen(mesh.east, "mine", true);
  await seen(mesh.east, "nginx-svc-west", true);
});

test("the command: files, exit codes, refusals", async () => {
  const folder = await mkdtemp(join(tmpdir(), "verify-test-"));
  try {
    const [json, junit] = [join(folder, "report.json"), join(folder, "report.xml")];
    const child = command(["--json", json, "--junit", junit, "--only", "health,traffic", "--quiet"]);
    assert.equal(await child.exit, 0, child.output());
    const report = JSON.parse(await readFile(json, "utf8")) as { results: Result[] };
    assert.ok(report.results.some(({ answer }) => answer === "yes"));
    const traffic = report.results.filter(({ group }) => group === "traffic");
    assert.deepEqual([...new Set(traffic.map(({ answer }) => answer))], ["not applicable"]);
    const xml = await readFile(junit, "utf8");
    assert.match(xml, /<testsuite name="rehearsal traffic" tests="18" failures="0" skipped="18">/);
    const secrets = Object.values(mesh.stack.kubeconfigs).flatMap((text) => text.match(/client-key-data: \S+/g) ?? []);
    assert.equal(secrets.length, 2);
    for (const secret of secrets) assert.ok(!`${child.output()}${xml}`.includes(secret.split(" ")[1] ?? ""));

    await mesh.east.core.deleteNamespacedEndpoints(gone);
    assert.equal(await command(["--external", "mirror", "--only", "health.gateway-probe"]).exit, 1);
    assert.throws(() => verifyOptions(["--only", "weather"]), /--only is "weather"; allowed: health, /);
    assert.throws(() => verifyOptions(["--deadline", "0"]), /--deadline is "0"; allowed: whole numbers from 1 to 3600/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} in the middle: everything made is removed`, async () => {
    const { east, west } = mesh;
    const views = await Promise.all(
      [east, west].map((cluster) => View.open(cluster, "/api/v1/namespaces", () => cluster.core.listNamespace())),
    );
    const testNamespaces = (): number =>
      views.flatMap((view) => view.items()).filter(({ metadata }) => metadata?.labels?.[runLabel]).length;
    const deadline = new Deadline(healthySeconds, new AbortController().signal);
    try {
      assert.equal(testNamespaces(), 0);
      const child = command(["--external", "mirror", "--only", "mirror"]);
      assert.equal(
        await until(views, () => (testNamespaces() === 4 ? undefined : "namespaces are missing"), deadline),
        undefined,
      );
      child.kill(signal);
      assert.equal(await child.exit, code, child.output());
      assert.equal(
        await until(views, () => (testNamespaces() === 0 ? undefined : "namespaces are left"), deadline),
        undefined,
      );
    } finally {
      for (const view of views) await view.close();
    }
  });
}

test("namespaces of a run that was killed are removed by the next, those of a running one are not", async () => {
  const { east, west } = mesh;
  const name = "mesh-verify-dead-0";
  await east.core.createNamespace({ body: { metadata: { name, labels: { [runLabel]: "dead" } } } });
  const testNamespaces = new TestNamespaces([east, west]);
  assert.deepEqual(await testNamespaces.sweep(), []);
  assert.deepEqual(await testNamespaces.sweep(Date.now() + 2 * 60 * 60 * 1000), [`east namespace ${name}`]);
});

interface Command {
  exit: Promise<number | null>;
  kill: (signal: NodeJS.Signals) => void;
  output: () => string;
}

/** `npm run verify` as its own process, the stack's outputs on standard input. */
function command(args: string[]): Command {
  const script = `
    const options = require("./verify/options").verifyOptions(process.argv.slice(1));
    require("./verify/main").verify(options).then((code) => { process.exitCode = code; });
  `;
  const root = join(__dirname, "../..");
  const child = spawn(process.execPath, ["--import", "tsx", "-e", script, "--", "--outputs", "-", ...args], {
    cwd: root,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(JSON.stringify(mesh.stack));
  const exit = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { exit, kill: (signal) => child.kill(signal), output: () => output };
}
