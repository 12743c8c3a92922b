import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterClient } from "../../verify/api";
import { metricsOf, sumOf } from "../../verify/metrics";
import { isRunning } from "../../verify/pods";
import { Deadline } from "../../verify/watch";
import { askNames, secondsSince } from "../ask";
import type { Context } from "../context";
import { Load } from "../load";
import type { Mesh, Target } from "../mesh";
import { type Figures, type Step, StepFailed } from "../runner";
import { useFlatNetwork } from "../settings";
import { runVerify } from "./verify";

const namespace = "default";

/** Of the Deployment in acceptance/manifests/modes.yaml. */
const replicas = 2;

/** How long a cluster stays down. */
const downSeconds = 20;

/** From the end of npm run heal, until pods of the returned cluster answer again. */
const backSeconds = 120;

/** The names that acceptance/manifests/modes.yaml adds: one flat mirror per link, and one federated service per source. */
function namesOf({ stack, clusters }: Mesh): Target[] {
  return stack.links.flatMap((link): Target[] => {
    const domain = clusters[link.source]?.domain ?? "";
    const target = (name: string): Target => {
      return { link, kind: "clusterIP", host: `${name}.${namespace}.svc.${domain}:80`, namespace, pods: [] };
    };
    return [target(`modes-flat-${link.target}`), target("modes-federated")];
  });
}

/** Requests that each pod behind the federated service of a cluster got since it started. Without those that do not answer. */
async function requestsTo(cluster: ClusterClient, signal: AbortSignal): Promise<Map<string, number>> {
  const { items } = await cluster.core.listNamespacedPod({ namespace, labelSelector: "app=modes" });
  const counts = await Promise.all(
    items.filter(isRunning).map(async (pod) => {
      const metrics = await metricsOf(cluster, pod, "proxy", new Deadline(10, signal)).catch(() => undefined);
      if (metrics === undefined) return [];
      const count = sumOf(metrics, "inbound_http_authz_allow_total", 'target_port="80"') ?? 0;
      return [[pod.metadata?.uid ?? "", count] as const];
    }),
  );
  return new Map(counts.flat());
}

/** Stops a cluster while another one asks a federated service with members in both, and starts it again. */
async function outage({ product, clients, mesh, signal }: Context, figures: Figures): Promise<void> {
  const its = await mesh();
  const name = namesOf(its).find(({ host }) => host.startsWith("modes-federated."));
  const victim = its.clusters[name?.link.target ?? ""];
  if (!name || !victim) throw new Error("no link has a federated service");
  const load = await Load.start(its, clients, [name]);
  figures.cluster = victim.name;
  try {
    await sleep(5_000);
    await product.program("k3d", "cluster", "stop", victim.context.replace(/^k3d-/, ""));
    await sleep(downSeconds * 1000);
    const began = Date.now();
    await product.update("start", product.stack);
    await product.script("heal", product.stack);
    figures["npm start and heal ended after, s"] = secondsSince(began);
    figures["all members answered after, s"] = await untilAsked(victim, began, signal);
  } finally {
    const { requests } = await load.stop();
    const [tally] = Object.values(requests);
    Object.assign(figures, { requests: tally });
  }
  const { requests } = figures as { requests?: { sent: number; answered: number } };
  // Those in flight when the pods stop, and no others: the rest of the members answer.
  const allowed = 5;
  const lost = (requests?.sent ?? 0) - (requests?.answered ?? 0);
  if (!requests || requests.sent === 0) throw new StepFailed("no request was sent");
  if (lost > allowed) throw new StepFailed(`${lost} of ${requests.sent} requests were lost; allowed: ${allowed}`);
}

/** Waits until the load reaches all pods of this cluster. Returns the seconds since `began`. */
async function untilAsked(cluster: ClusterClient, began: number, signal: AbortSignal): Promise<number> {
  const before = await requestsTo(cluster, signal);
  for (const end = Date.now() + backSeconds * 1000; Date.now() < end; await sleep(500)) {
    const now = [...(await requestsTo(cluster, signal))];
    if (now.length >= replicas && now.every(([pod, count]) => count > (before.get(pod) ?? 0)))
      return secondsSince(began);
  }
  throw new StepFailed(`not all pods of ${cluster.name} are asked ${backSeconds} s after npm run heal`);
}

export const modeSteps: Step<Context>[] = [
  {
    id: "flat-network",
    title: "The clusters anew with a flat network, and services in all modes",
    asserts: "npm start succeeds, and each flat and federated name answers",
    needs: ["up-from-nothing"],
    async run(context, figures) {
      const { product, clients } = context;
      useFlatNetwork(product.stack);
      clients.forget();
      context.forgetMesh();
      const began = Date.now();
      await product.update("start", product.stack);
      figures["npm start, s"] = secondsSince(began);
      await askNames(context, figures, namesOf(await context.mesh()));
    },
  },
  {
    id: "verify-flat",
    title: "npm run verify, with services in all modes",
    asserts: "it succeeds without a no, and gives a reason for every check that does not apply",
    needs: ["flat-network"],
    run: runVerify,
  },
  {
    id: "federated",
    title: "A cluster is stopped and started while a federated service is asked",
    asserts: "at most five requests are lost, when it stops, and all its pods are asked again afterwards",
    needs: ["flat-network"],
    run: outage,
  },
];
