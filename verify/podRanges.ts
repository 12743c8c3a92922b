import { type AddressRange, contains, overlapOf, rangeOf, rangesOf } from "../lib/addressRanges";
import { named, type ClusterClient } from "./api";
import { no, notApplicable, yes, type Finding, type LinkCheck } from "./check";
import { linkerdConfig, linkerdValues } from "./config";
import { noDirectTraffic } from "./directExports";

/** Default of Linkerd's control plane chart. */
const privateRanges = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8";

/** The pod ranges outside all networks. One network must contain a whole range, as in `linkerd check`. */
function outside(pods: readonly AddressRange[], networks: readonly AddressRange[]): AddressRange[] {
  return pods.filter((range) => !networks.some((network) => contains(network, range)));
}

const listed = (ranges: readonly AddressRange[], separator: string): string =>
  ranges.map(({ text }) => text).join(separator);

/** Why `clusterNetworks` does not cover these pod ranges, and a list that does. Undefined if it covers them. */
export function networksFault(
  value: unknown,
  pods: readonly AddressRange[],
): { why: string; list: string } | undefined {
  const parts = typeof value === "string" ? value.split(",") : [];
  const malformed = parts.filter((part) => !rangeOf(part));
  const networks = rangesOf(parts);
  const foreign = outside(pods, networks);
  if (malformed.length === 0 && foreign.length === 0) return undefined;
  const why = [
    `clusterNetworks is ${JSON.stringify(value) ?? "missing"}`,
    ...malformed.map((part) => `${JSON.stringify(part)} in it is not a range of addresses`),
    ...(foreign.length > 0 ? [`it lacks ${listed(foreign, ", ")}, where the target's pods are`] : []),
  ].join("; ");
  const kept = networks.length > 0 ? networks : rangesOf(privateRanges.split(","));
  return { why, list: listed([...kept, ...outside(pods, kept)], ",") };
}

async function podRanges({ core }: ClusterClient): Promise<AddressRange[]> {
  const { items } = await core.listNode();
  return rangesOf(new Set(items.flatMap(({ spec }) => spec?.podCIDRs ?? [])));
}

const noRanges = ({ name }: ClusterClient): string => `the nodes of ${name} have no podCIDRs`;

const clusterNetworks: LinkCheck = {
  id: "health.cluster-networks",
  group: "health",
  scope: "link",
  title: "Do the source's proxies take the target's pods for pods of the mesh?",
  deadlineSeconds: 15,
  applies: noDirectTraffic,
  async run({ source, target, stack }): Promise<Finding> {
    const objects = [named(source, "configmap", { metadata: linkerdConfig }), `${target.name} nodes`];
    const [pods, values] = await Promise.all([podRanges(target), linkerdValues(source)]);
    if (pods.length === 0) return notApplicable(noRanges(target), objects);
    if (typeof values === "string") return no(values, objects, `npm start -- ${stack.name} --refresh`);
    const fault = networksFault(values["clusterNetworks"], pods);
    if (!fault) return yes(`clusterNetworks covers all pod ranges of ${target.name}`, objects);
    const set = `pulumi config set --path 'chartValues["linkerd-control-plane"].clusterNetworks' ${fault.list}`;
    return no(fault.why, objects, `${set}, then npm start -- ${stack.name}`);
  },
};

const separatePods: LinkCheck = {
  id: "health.pod-ranges",
  group: "health",
  scope: "link",
  title: "Do the pods of both clusters have different addresses?",
  deadlineSeconds: 15,
  applies: noDirectTraffic,
  async run({ source, target, stack }): Promise<Finding> {
    const objects = [`${source.name} nodes`, `${target.name} nodes`];
    const [here, there] = await Promise.all([podRanges(source), podRanges(target)]);
    if (here.length === 0) return notApplicable(noRanges(source), objects);
    if (there.length === 0) return notApplicable(noRanges(target), objects);
    const shared = overlapOf(here, there);
    if (!shared) return yes("no pod ranges overlap", objects);
    const [one, other] = shared;
    const separate =
      stack.runtime === "k3d" ? "pulumi config set network flat" : "make the clusters anew with separate pod ranges";
    return no(
      `pods of ${source.name} are in ${one.text}, pods of ${target.name} in ${other.text}: these ranges overlap`,
      objects,
      `${separate}, then npm start -- ${stack.name}`,
    );
  },
};

export const podRangeChecks: LinkCheck[] = [clusterNetworks, separatePods];
