import type { ExportedService, LinkStatus, MeshStatus } from "../status/model";

/** A line in a cluster's box. */
export interface Row {
  kind: "gateway" | "service" | "pod" | "mirror" | "mirrored pod" | "more";
  text: string;
  state: "good" | "bad" | "idle";
  /** What a click on it shows. See `parts`. */
  shows: string;
}

/** Longer boxes end with a line that counts the rest. */
const mostRows = 18;

/** Names of what can be selected. Examples: `cluster east`, `pod west default/nginx-svc nginx-set-0` */
export const parts = {
  cluster: (name: string) => `cluster ${name}`,
  link: ({ source, target }: Pick<LinkStatus, "source" | "target">) => `link ${source} ${target}`,
  service: ({ cluster, namespace, name }: ExportedService) => `service ${cluster} ${namespace}/${name}`,
  pod: ({ cluster, namespace, name }: ExportedService, pod: string) => `pod ${cluster} ${namespace}/${name} ${pod}`,
};

/** The gateway of a cluster, what it exports, and what it mirrors. */
export function rowsOf({ clusters, services }: MeshStatus, name: string): Row[] {
  const cluster = clusters.find((one) => one.name === name);
  if (!cluster || cluster.down !== undefined)
    return [{ kind: "gateway", text: "does not answer", state: "bad", shows: parts.cluster(name) }];
  const { gatewayPods, requests, isSimulated } = cluster;
  const counts = [
    gatewayPods ? `${gatewayPods.ready} of ${gatewayPods.wanted} pods` : "missing",
    ...(requests === undefined ? [] : [`${requests} requests`]),
  ];
  const isUp = gatewayPods !== undefined && gatewayPods.ready > 0;
  const rows: Row[] = [
    {
      kind: "gateway",
      text: `gateway: ${counts.join(", ")}`,
      state: isUp ? (isSimulated ? "idle" : "good") : "bad",
      shows: parts.cluster(name),
    },
    ...services.filter(({ cluster: home }) => home === name).flatMap(exportedRows),
    ...services.flatMap((service) => mirrorRows(service, name)),
  ];
  const rest = rows.length - mostRows;
  if (rest <= 1) return rows;
  const more: Row = { kind: "more", text: `and ${rest + 1} more`, state: "idle", shows: parts.cluster(name) };
  return [...rows.slice(0, mostRows - 1), more];
}

function exportedRows(service: ExportedService): Row[] {
  const states = service.mirrors.map(({ state }) => state);
  const state = states.includes("missing") ? "bad" : states.includes("exists") ? "good" : "idle";
  const label = service.mode === "gateway" ? "" : ` (${service.mode})`;
  return [
    { kind: "service", text: `exports ${shown(service, service.name)}${label}`, state, shows: parts.service(service) },
    ...service.pods.map(({ name, isReady }): Row => {
      return { kind: "pod", text: name, state: isReady ? "good" : "bad", shows: parts.pod(service, name) };
    }),
  ];
}

function mirrorRows(service: ExportedService, source: string): Row[] {
  return service.mirrors
    .filter((mirror) => mirror.source === source && mirror.state !== "skipped")
    .map(({ name, pod, state }): Row => {
      const text = shown(service, name);
      const verb = state === "missing" ? "lacks" : "mirrors";
      return {
        kind: pod === undefined ? "mirror" : "mirrored pod",
        text: pod === undefined ? `${verb} ${text}` : text,
        state: state === "exists" ? "good" : state === "missing" ? "bad" : "idle",
        shows: pod === undefined ? parts.service(service) : parts.pod(service, pod),
      };
    });
}

const shown = ({ namespace }: ExportedService, name: string) =>
  namespace === "default" ? name : `${namespace}/${name}`;
