import type { ClusterAnswers, ClusterFacts } from "../../status/facts";
import { meshStatus } from "../../status/meshStatus";
import type { MeshStatus } from "../../status/model";
import type { Deployment, Link, Pod, Service } from "../../verify/api";
import type { Stack } from "../../verify/stack";

/** A stack whose clusters are all linked, and what they answer when all is well: west exports the demo's StatefulSet. */
export interface SampleMesh {
  stack: Stack;
  answers: ClusterAnswers;
  /** The answer of one cluster, to be changed. */
  facts: (name: string) => ClusterFacts;
  status: (...more: [isSilent?: Parameters<typeof meshStatus>[2]]) => MeshStatus;
}

export const now = Date.parse("2026-11-27T12:00:00Z");
const mirrorLabels = (cluster: string) => ({
  "mirror.linkerd.io/mirrored-service": "true",
  "mirror.linkerd.io/cluster-name": cluster,
});

export const service = (
  name: string,
  labels = {},
  clusterIP = "10.0.0.1",
  ports = [80],
  namespace = "default",
): Service => ({
  metadata: { name, namespace, labels },
  spec: { clusterIP, selector: { app: name }, ports: ports.map((port) => ({ port })) },
});

const deployment = (name: string, replicas: number): Deployment => ({
  metadata: { name, annotations: { "linkerd.io/created-by": "linkerd/helm edge-26.8.3" } },
  spec: { replicas, selector: {}, template: {} },
  status: { readyReplicas: replicas, conditions: [{ type: "Available", status: "True" }] },
});

const pod = (name: string): Pod => ({
  metadata: { name },
  spec: { hostname: name, containers: [] },
  status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});

export function sampleMesh(names = ["east", "west"]): SampleMesh {
  const pods = [0, 1, 2].map((i) => `nginx-set-${i}`);
  const stack: Stack = {
    name: "dev",
    runtime: "k3d",
    clusters: Object.fromEntries(
      names.map((name) => {
        const gateway = `k3d-${name}-server-0`;
        return [name, { context: `k3d-${name}`, domain: `${name}.cluster.local`, gateway, apiServer: "https://x" }];
      }),
    ),
    links: names.flatMap((source) => names.filter((name) => name !== source).map((target) => ({ source, target }))),
    kubeconfigs: Object.fromEntries(names.map((name) => [name, "secret kubeconfig"])),
    curl: ["kubectl --context k3d-east exec deploy/curl -- curl -s http://nginx-set-0.nginx-svc-west.default.svc.east.cluster.local:80"], // prettier-ignore
  };
  const factsOf = (name: string): ClusterFacts => {
    const targets = names.filter((other) => other !== name);
    const mirrored = [service("nginx-svc-west", mirrorLabels("west"), "None"), ...pods.map((one) => service(`${one}-west`, mirrorLabels("west")))]; // prettier-ignore
    const exported = service("nginx-svc", { "mirror.linkerd.io/exported": "true" }, "None");
    return {
      isSimulated: false,
      namespaces: new Set(["default", "linkerd"]),
      services: name === "west" ? [exported] : names.includes("west") ? mirrored : [],
      pods: new Map(name === "west" ? [["default/nginx-svc", pods.map(pod)]] : []),
      deployments: [
        deployment("linkerd-destination", 1),
        deployment("linkerd-gateway", 2),
        ...targets.map((target) => deployment(`controller-${target}`, 1)),
      ],
      links: targets.map((target): Link => ({
        metadata: { name: target, namespace: "linkerd-multicluster" },
        spec: {},
      })),
      expires: [
        { what: "trust anchor", at: "2036-11-24T12:00:00.000Z" },
        { what: "issuer", at: "2027-11-27T12:00:00.000Z" },
      ],
      metrics: {
        probes: Object.fromEntries(targets.map((target) => [target, { isAlive: true, latency: 3, answered: 10 }])),
        requests: 12,
      },
    };
  };
  const answers: ClusterAnswers = Object.fromEntries(names.map((name) => [name, { facts: factsOf(name) }]));
  return {
    stack,
    answers,
    facts: (name) => (answers[name] as { facts: ClusterFacts }).facts,
    status: (isSilent) => meshStatus(stack, answers, isSilent, now),
  };
}
