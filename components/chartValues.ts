import { RefusedError, type ChartName } from "../config/settings";
import { isMapping } from "../lib/mapping";
import { webhookServices } from "./trustAnchor";

/** A chart's values, as Helm reads them. */
export type Values = Record<string, unknown>;

/** Values that are the program's choice, but not its need. */
const free = new Set(["linkerd-multicluster gateway.replicas"]);

/** Values that must stay as the chart has them. */
const fixed: Partial<Record<ChartName, Record<string, string>>> = {
  "linkerd-control-plane": {
    linkerdNamespace: "the program makes the namespace linkerd",
    "identity.issuer.tls": "the program makes the issuers",
    ...Object.fromEntries(
      Object.keys(webhookServices).flatMap((webhook) =>
        ["crtPEM", "keyPEM", "injectCaFrom", "injectCaFromSecret"].map((key) => [
          `${webhook}.${key}`,
          "the program makes the webhooks' certificates",
        ]),
      ),
    ),
  },
  "linkerd-multicluster": {
    linkerdNamespace: "the program makes the namespace linkerd",
    "gateway.enabled": "each cluster needs its gateway",
    "gateway.name": "the other clusters' Links name it",
    "gateway.namespace": "the other clusters' Links name it",
    // Linkerd's proxy is a gateway on this port only: linkerd2-proxy, linkerd/app/inbound/src/accept.rs.
    "gateway.port": "the proxy takes requests for other clusters on port 4143 only",
    "gateway.probe.port": "the proxy answers probes on port 4191 only",
    "gateway.probe.path": "the other clusters' Links name it",
    "gateway.probe.seconds": "the other clusters' Links name it",
  },
};

/**
 * The program's values for a chart, with the user's from the setting `chartValues` added.
 *
 * @throws RefusedError for each value that the program itself sets
 * @example mergedValues("linkerd-multicluster", { gateway: { replicas: 2 } }, { gateway: { serviceType: "NodePort" } })
 */
export function mergedValues(chart: ChartName, own: Values, given: Values = {}): Values {
  const problems: string[] = [];
  const refuse = (path: string, value: unknown, why: string) => {
    const name = `chartValues.${chart}.${path}`;
    const next = `pulumi config rm --path 'chartValues["${chart}"].${path}'`;
    problems.push(
      `${name} is ${JSON.stringify(value)}; allowed: what the program does not set (${why}). Next: ${next}`,
    );
  };
  const merge = (mine: Values, theirs: Values, above: string): Values => {
    const merged = { ...mine };
    for (const [key, value] of Object.entries(theirs)) {
      const path = `${above}${key}`;
      const why = fixed[chart]?.[path];
      if (why !== undefined) refuse(path, value, why);
      else if (!Object.hasOwn(mine, key) || free.has(`${chart} ${path}`)) merged[key] = value;
      else if (isMapping(mine[key]) && isMapping(value)) merged[key] = merge(mine[key], value, `${path}.`);
      else refuse(path, value, hints[path] ?? "the mesh depends on it");
    }
    return merged;
  };
  const merged = merge(own, given, "");
  if (problems.length > 0) throw new RefusedError(problems);
  return merged;
}

const hints: Record<string, string> = {
  installGatewayAPI: "the setting installGatewayApi sets it",
  "proxy.logLevel": "the setting proxyLogLevel sets it",
  webhookFailurePolicy: "the setting of this name sets it",
};
