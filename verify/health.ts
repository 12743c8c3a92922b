import { extension, found, kubectl, named } from "./api";
import { no, notApplicable, yes, type Check, type ClusterCheck, type Finding, type LinkCheck } from "./check";
import { configuration } from "./config";
import { credentialChecks } from "./credentials";
import { controllerSettings, controllerUp, controlPlaneUp, gatewayUp } from "./deployments";
import { gatewaySettings } from "./gateway";
import { linkChecks } from "./link";
import { settledLinkerdCheck } from "./linkerd";
import { gatewayAlive, metricsOf } from "./metrics";
import { addresses, clusterLabel } from "./mirroredServices";
import { podAnchors } from "./podAnchors";
import { podRangeChecks } from "./podRanges";
import { isRunning } from "./pods";
import { controllerRights } from "./rights";
import { noMirror } from "./simulated";
import { clusterTrust, linkTrust } from "./trust";

const cli: ClusterCheck = {
  id: "health.linkerd-check",
  group: "health",
  scope: "cluster",
  title: "Does `linkerd check` pass?",
  deadlineSeconds: 120,
  applies: ({ stack }) =>
    Promise.resolve(
      stack.runtime === "kwok" ? "pods are simulated by kwok: `linkerd check` needs real ones" : undefined,
    ),
  async run({ cluster, clusters, stack, deadline }): Promise<Finding> {
    const targets = stack.links.flatMap(({ source, target }) =>
      source === cluster.name ? (clusters[target] ?? []) : [],
    );
    // Its extension check dials each target's API server at the address meant for the source's pods.
    const unreachable = targets.some(({ kube, apiServer }) => kube.getCurrentCluster()?.server !== apiServer);
    const outcome = await settledLinkerdCheck(stack.kubeconfigs[cluster.name] ?? "", deadline, unreachable);
    const objects = [`${cluster.name} as \`linkerd check\` sees it`];
    if (outcome === undefined) return notApplicable("there is no `linkerd` on PATH", objects);
    const { failures, leftOut, warnings } = outcome;
    const notes = [
      ...leftOut.map((text) => `not judged, as only pods reach the links' addresses (see --linkerd): ${text}`),
      ...warnings.map((text) => `warning: ${text}`),
    ];
    if (failures.length === 0) return yes(["it passes", ...notes].join("; "), objects);
    return no(failures.join("; "), objects, `linkerd check --context ${cluster.context}`);
  },
};

const probe: LinkCheck = {
  id: "health.gateway-probe",
  group: "health",
  scope: "link",
  title: "Is the target's gateway alive for the source?",
  deadlineSeconds: 15,
  applies: noMirror,
  async run({ source, link: { target }, external, deadline }): Promise<Finding> {
    const name = `probe-${target}`;
    const objects = [named(source, "endpoints", { metadata: { namespace: extension, name } })];
    const logs = kubectl(source, `-n ${extension} logs deploy/controller-${target} -c controller`);
    const endpoints = await found(source.core.readNamespacedEndpoints({ namespace: extension, name }));
    const at = addresses(endpoints).map(({ ip }) => ip);
    if (at.length === 0) return no(`${name} has no address: the mirror does not know its gateway`, objects, logs);
    if (external.has("mirror"))
      return yes(`the mirror probes ${at.join(", ")} (its metric is not asked: it runs outside)`, objects);

    const { items } = await source.core.listNamespacedPod({
      namespace: extension,
      labelSelector: `component=controller,${clusterLabel}=${target}`,
    });
    objects.push(...items.map((pod) => named(source, "pod", pod)));
    const running = items.filter(isRunning);
    if (running.length === 0) return no(`no pod of controller-${target} is running`, objects, logs);
    const answers = await Promise.allSettled(running.map((pod) => metricsOf(source, pod, "controller", deadline)));
    // Only the leader holds the link. Once it has answered, the other pods' answers and errors do not matter.
    for (const answer of answers) {
      const alive = answer.status === "fulfilled" ? gatewayAlive(answer.value, target) : undefined;
      if (alive === undefined) continue;
      const why = `the mirror's probe of ${at.join(", ")} says ${alive ? "alive" : "dead"}`;
      return alive ? yes(why, objects) : no(why, objects, logs);
    }
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed) throw failed.reason;
    return no("no pod of the controller reports gateway_alive: none of them holds the link", objects, logs);
  },
};

/** Checks of the parts that come back by themselves, after a moment, when clusters or Docker are started again. */
export const standing: readonly Check[] = [
  controlPlaneUp,
  gatewayUp,
  ...linkChecks.filter(({ id }) => id === "health.link"),
  controllerUp,
];

/** The subjects of `linkerd check` and `linkerd multicluster check`, as far as the API can tell. */
export const healthChecks: readonly Check[] = [
  ...clusterTrust,
  podAnchors,
  configuration,
  controlPlaneUp,
  gatewayUp,
  gatewaySettings,
  cli,
  ...linkTrust,
  ...linkChecks,
  ...podRangeChecks,
  controllerUp,
  controllerSettings,
  controllerRights,
  ...credentialChecks,
  probe,
];
