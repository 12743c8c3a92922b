/** Fields that Kubernetes does not know, and values of a wrong type, are refused with file and line. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { refuseFaultyFields } from "../../config/fields";
import { readManifests } from "../../config/manifests";
import { RefusedError } from "../../config/settings";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "fields-test-"));
after(() => fs.rmSync(directory, { recursive: true }));

async function problemsOf(text: string, runtime = "k3d"): Promise<string[]> {
  fs.mkdirSync(path.join(directory, "west"), { recursive: true });
  fs.writeFileSync(path.join(directory, "west/x.yaml"), text);
  const { manifests, complaints } = readManifests(directory, ["west"]);
  assert.deepEqual(complaints, []);
  try {
    await refuseFaultyFields(manifests, runtime);
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    return error.problems;
  }
  return [];
}

const pod = (spec: string) => `apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  ${spec}\n`;

for (const [title, text, problem] of [
  ["a typo", pod("container: []"), "west/x.yaml:5: Pod web: spec.container is no field of Kubernetes 1.34"],
  [
    "a typo deep inside",
    pod("containers:\n  - name: c\n    imagePullPolice: Always"),
    "west/x.yaml:7: Pod web: spec.containers[0].imagePullPolice is no field of Kubernetes 1.34",
  ],
  [
    "a number as text",
    pod("terminationGracePeriodSeconds: '5'"),
    'west/x.yaml:5: Pod web: spec.terminationGracePeriodSeconds is "5"; allowed: a whole number',
  ],
  [
    "text as a number",
    pod("containers: [{name: c, env: [{name: PORT, value: 80}]}]"),
    "west/x.yaml:5: Pod web: spec.containers[0].env[0].value is 80; allowed: text: quote it",
  ],
  ["text as a boolean", pod("hostNetwork: 'yes'"), 'spec.hostNetwork is "yes"; allowed: true, false'],
  ["a mapping as a list", pod("containers: {name: c}"), 'spec.containers is {"name":"c"}; allowed: a list'],
  ["a list as a mapping", pod("securityContext: [a]"), 'spec.securityContext is ["a"]; allowed: a mapping'],
  ["a label below", pod("nodeSelector: {ssd: true}"), "spec.nodeSelector.ssd is true; allowed: text: quote it"],
  [
    "a field of the second object in a list",
    "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n  date: {}\n",
    "west/x.yaml:8: ConfigMap b: date is no field of Kubernetes 1.34",
  ],
] as const) {
  test(`refused: ${title}`, async () => {
    const problems = await problemsOf(text);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.ok(problems[0]?.includes(problem), problems[0]);
    assert.match(problems[0] ?? "", /Next: edit that line$/);
  });
}

test("an existing cluster may know newer fields; types count there too", async () => {
  const text = pod("newField: 1\n  hostNetwork: 1");
  assert.deepEqual(await problemsOf(text, "existing"), [
    "west/x.yaml:6: Pod web: spec.hostNetwork is 1; allowed: true, false. Next: edit that line",
  ]);
});

test("what Kubernetes takes is not refused", async () => {
  const objects = [
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "a", creationTimestamp: null },
      spec: {
        serviceName: "a",
        replicas: null,
        ordinals: { start: 5 },
        selector: { matchLabels: { a: "b" } },
        template: {
          metadata: { labels: { a: "b" } },
          spec: {
            containers: [
              {
                name: "c",
                ports: [{ containerPort: 80 }],
                resources: { limits: { cpu: 1, memory: "1Gi" }, requests: { cpu: 0.5 } },
                livenessProbe: { httpGet: { port: "http", path: "/" } },
                readinessProbe: { tcpSocket: { port: 80 } },
              },
            ],
            volumes: [{ name: "v", emptyDir: { sizeLimit: 5 } }],
          },
        },
      },
    },
    {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "a" },
      spec: { maxReplicas: 3 },
    },
    { apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "a" }, spec: { maxUnavailable: "50%" } },
    { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "a" }, spec: { podSelector: {} } },
    { apiVersion: "events.k8s.io/v1", kind: "Event", metadata: { name: "a" }, note: "x", eventTime: "2026-01-01" },
    {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "things.example.com" },
      spec: {
        versions: [
          {
            name: "v1",
            schema: {
              openAPIV3Schema: {
                type: "object",
                default: {},
                "x-kubernetes-preserve-unknown-fields": true,
                properties: { a: { enum: [1] }, b: { items: { type: "string" } } },
              },
            },
          },
        ],
      },
    },
    { apiVersion: "example.com/v1", kind: "Service", metadata: { name: "a" }, anything: { goes: 1 } },
    { apiVersion: "policy.linkerd.io/v1beta3", kind: "Server", metadata: { name: "a" }, spec: { port: 1 } },
  ];
  assert.deepEqual(await problemsOf(objects.map((object) => JSON.stringify(object)).join("\n---\n")), []);
});
