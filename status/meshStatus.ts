import { daysUntil, warningDays } from "../lib/expiry";
import type { LinkName, Stack } from "../verify/stack";
import { unavailability } from "../verify/deployments";
import { clusterLabel, mirroredLabel } from "../verify/mirroredServices";
import type { Deployment } from "../verify/api";
import { type ClusterAnswer, type ClusterAnswers, type ClusterFacts, factsOf, type FactsOf } from "./facts";
import { exportedServices } from "./exportedServices";
import type { Certificate, ClusterStatus, LinkStatus, MeshStatus, Problem } from "./model";

/**
 * The status of a mesh from what its clusters say.
 *
 * @param isSilent whether the probe of a link should have been answered by now. Default: nobody knows
 */
export function meshStatus(
  stack: Stack,
  answers: ClusterAnswers,
  isSilent: (link: LinkName) => boolean = () => false,
  now = Date.now(),
): MeshStatus {
  const facts = factsOf(answers);
  const clusters = Object.keys(stack.clusters).map((name) => clusterStatus(name, stack, answers[name], now));
  const links = stack.links.map((link) => linkStatus(link, facts, isSilent(link), clusters));
  const services = exportedServices(stack, facts, links);
  return {
    stack: stack.name,
    runtime: stack.runtime,
    clusters,
    links,
    services,
    problems: problemsOf({ clusters, links, services }, stack),
  };
}

function clusterStatus(name: string, stack: Stack, answer: ClusterAnswer | undefined, now: number): ClusterStatus {
  const { context = "", domain = "", gateway = "" } = stack.clusters[name] ?? {};
  const known = { name, context, domain, gateway };
  if (!answer || "down" in answer) {
    // The runtime decides while nobody can be asked.
    return { ...known, isSimulated: stack.runtime === "kwok", down: answer?.down ?? "not asked", certificates: [] };
  }
  const { facts } = answer;
  const gatewayDeployment = deploymentOf(facts, "linkerd-gateway");
  return {
    ...known,
    isSimulated: facts.isSimulated,
    linkerd: versionOf(deploymentOf(facts, "linkerd-destination")),
    gatewayPods: gatewayDeployment && {
      ready: gatewayDeployment.status?.readyReplicas ?? 0,
      wanted: gatewayDeployment.spec?.replicas ?? 1,
    },
    requests: facts.metrics.requests,
    certificates: facts.expires.map(({ what, at }): Certificate => {
      return { what, expires: at, days: daysUntil(at, now) };
    }),
  };
}

const deploymentOf = ({ deployments }: ClusterFacts, name: string) =>
  deployments.find(({ metadata }) => metadata?.name === name);

/** Example: `edge-26.8.3` of the annotation `linkerd/helm edge-26.8.3` */
function versionOf(deployment: Deployment | undefined): string | undefined {
  return deployment?.metadata?.annotations?.["linkerd.io/created-by"]?.split(" ").at(-1);
}

function linkStatus(
  { source, target }: LinkName,
  facts: FactsOf,
  isSilent: boolean,
  clusters: ClusterStatus[],
): LinkStatus {
  const ends = { source, target };
  const there = facts(source);
  if (!there) return { ...ends, state: "unknown", why: `cluster ${source} does not answer` };
  const labels = { [mirroredLabel]: "true", [clusterLabel]: target };
  const mirrors = there.services.filter(({ metadata }) =>
    Object.entries(labels).every(([label, value]) => metadata?.labels?.[label] === value),
  ).length;
  const known = { ...ends, mirrors };
  if (!there.links.some(({ metadata }) => metadata.name === target))
    return { ...known, state: "dead", why: `${source} has no Link ${target}` };
  if (there.isSimulated) return { ...known, state: "simulated" };

  const probe = there.metrics.probes[target];
  const latency = probe?.latency;
  if (probe && !probe.isAlive) return { ...known, state: "dead", why: "three probes of the gateway were not answered" };
  // Linkerd takes ten seconds or more to call a gateway dead. These signs come sooner.
  const { down, gatewayPods } = clusters.find(({ name }) => name === target) ?? {};
  if (down !== undefined) return { ...known, state: "failing", why: `cluster ${target} does not answer` };
  if (gatewayPods?.ready === 0) return { ...known, state: "failing", why: `no pod of ${target}'s gateway is ready` };
  if (isSilent) return { ...known, state: "failing", why: "the last probe of the gateway was not answered" };
  if (probe) return { ...known, state: "alive", latency };
  const controller = deploymentOf(there, `controller-${target}`);
  const why = controller ? (unavailability(controller) ?? "does not tell its metrics") : "is missing";
  return { ...known, state: "unknown", why: `controller-${target} ${why}` };
}

function problemsOf(status: Pick<MeshStatus, "clusters" | "links" | "services">, stack: Stack): Problem[] {
  const { clusters, links, services } = status;
  const start = `npm start -- ${stack.name}`;
  const problems: Problem[] = [];
  for (const { name, context, down, gatewayPods, isSimulated, certificates } of clusters) {
    const add = (what: string, next: string) => problems.push({ what: `${name} ${what}`, next });
    const ask = `kubectl --context ${context}`;
    if (down !== undefined) {
      add(`does not answer: ${down}`, stack.runtime === "existing" ? `${ask} get --raw /readyz` : start);
      continue;
    }
    if (!gatewayPods) add("has no gateway", `${start} --refresh`);
    else if (gatewayPods.ready === 0 && !isSimulated)
      add("has no ready pod of the gateway", `${ask} -n linkerd-multicluster get pods`);
    for (const { what, days } of certificates.filter(({ days }) => days < warningDays)) {
      const rotate = `npm run rotate -- ${what === "issuer" ? "issuers" : "anchor"} ${stack.name}`;
      problems.push({
        what: `${name}'s ${what} ${days < 0 ? "has expired" : `expires in ${days} days`}`,
        next: rotate,
      });
    }
  }
  for (const { source, target, state, why } of links) {
    // A cluster that is down is named already.
    if (state === "alive" || state === "simulated" || clusters.some(({ name, down }) => down !== undefined && [source, target].includes(name))) continue; // prettier-ignore
    problems.push({ what: `${source}->${target} is ${state}: ${why}`, next: `npm run heal -- ${stack.name}` });
  }
  for (const { cluster, namespace, name, mirrors } of services) {
    const missing = mirrors.filter(({ state }) => state === "missing");
    for (const why of new Set(missing.map((one) => `${one.source}: ${one.why}`))) {
      problems.push({
        what: `${cluster}'s service ${namespace}/${name} is not mirrored in ${why}`,
        next: `npm run heal -- ${stack.name}`,
      });
    }
  }
  return problems;
}
