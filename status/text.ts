import { type Colour, columns, type Paint } from "../lib/terminal";
import type { ClusterStatus, ExportedService, LinkState, LinkStatus, MeshStatus } from "./model";

/** For a terminal: clusters, links, exported services, and what to do next. */
export function statusText(status: MeshStatus, paint: Paint): string {
  const { stack, runtime, clusters, links, services, problems } = status;
  const title = (text: string) => paint("bold", text);
  const table = (names: string[], rows: string[][], none: string) =>
    rows.length > 0 ? columns([["", ...names].map((name) => name && title(name)), ...rows]) : [`   ${none}`];
  const isSimulated = clusters.every((cluster) => cluster.isSimulated);
  return [
    `${title(`Stack ${stack}`)} (${runtime}${isSimulated ? ", pods are simulated: no service is mirrored, and no traffic flows" : ""})`,
    "",
    ...table(
      ["CLUSTER", "LINKERD", "GATEWAY", "PODS", "REQUESTS", "ANCHOR", "ISSUER", "CONTEXT"],
      clusters.map((cluster) => clusterRow(cluster, paint)),
      "There are no clusters.",
    ),
    "",
    ...table(
      ["LINK", "STATE", "LATENCY", "MIRRORS", ""],
      links.map((link) => linkRow(link, paint)),
      "There are no links.",
    ),
    "",
    ...table(
      ["EXPORTED SERVICE", "MODE", "POD NAMES", "MIRRORED AS"],
      services.map((service) => serviceRow(service, paint)),
      "No cluster exports a service. Next: label one mirror.linkerd.io/exported=true",
    ),
    ...(problems.length > 0 ? ["", title("Next")] : []),
    ...columns(problems.map(({ what, next }) => [paint("red", "×"), `${what}. Next: ${next}`])),
  ].join("\n");
}

const mark = (paint: Paint, colour: Colour) => paint(colour, { green: "√", red: "×", yellow: "‼", grey: "-", bold: "" }[colour]); // prettier-ignore

function clusterRow(cluster: ClusterStatus, paint: Paint): string[] {
  const { name, context, down, isSimulated, linkerd, gateway, gatewayPods, requests, certificates } = cluster;
  if (down !== undefined) return [mark(paint, "red"), name, `does not answer: ${down}`];
  const isUp = gatewayPods && (gatewayPods.ready > 0 || isSimulated);
  const left = (what: string) => {
    const days = certificates.filter((one) => one.what === what).map((one) => one.days);
    return days.length > 0 ? `${Math.min(...days)} d` : "none";
  };
  return [
    mark(paint, isUp ? "green" : "red"),
    name,
    linkerd ?? "none",
    gateway,
    gatewayPods ? `${gatewayPods.ready}/${gatewayPods.wanted}` : "none",
    isSimulated ? "simulated" : String(requests ?? "unknown"),
    left("trust anchor"),
    left("issuer"),
    context,
  ];
}

const stateColours: Record<LinkState, Colour> = {
  alive: "green",
  failing: "red",
  dead: "red",
  simulated: "grey",
  unknown: "yellow",
};

function linkRow({ source, target, state, latency, mirrors, why }: LinkStatus, paint: Paint): string[] {
  const colour = stateColours[state];
  const [shown, count] = [latency === undefined ? "" : `${latency} ms`, mirrors === undefined ? "" : String(mirrors)];
  return [mark(paint, colour), `${source}->${target}`, paint(colour, state), shown, count, why ?? ""];
}

/** One line per service: which of its names exist in which cluster. */
function serviceRow({ cluster, namespace, name, mode, pods, mirrors }: ExportedService, paint: Paint): string[] {
  const sources = [...new Set(mirrors.map(({ source }) => source))];
  const shown = sources.map((source) => {
    const all = mirrors.filter((mirror) => mirror.source === source);
    const root = all.find(({ pod }) => pod === undefined);
    const exist = all.filter(({ pod, state }) => pod !== undefined && state === "exists").length;
    if (!root) return `${source}: none`;
    if (root.state === "simulated")
      return `${source}: ${root.name}${pods.length > 0 ? ` and ${pods.length} pods` : ""}, simulated`;
    if (root.state !== "exists") return `${source}: ${root.state} (${root.why})`;
    return `${source}: ${root.name}${pods.length > 0 ? ` and ${exist} of ${pods.length} pods` : ""}`;
  });
  const states = mirrors.map(({ state }) => state);
  const colour = states.includes("missing") ? "red" : states.includes("unknown") ? "yellow" : states.includes("simulated") || states.includes("skipped") || states.length === 0 ? "grey" : "green"; // prettier-ignore
  const names = pods.map((pod) => pod.name).join(", ");
  return [
    mark(paint, colour),
    `${cluster} ${namespace}/${name}`,
    mode,
    names,
    shown.join("; ") || "no link leads here",
  ];
}
