import { physicalNameOf } from "../../config/physicalName";
import { capture, outputOf, UserError } from "../../lib/run";
import type { ClusterClient } from "../../verify/api";
import { nextDrill, type Drill } from "../drill";

/** For each node of the other clusters: the addresses from which it gets nothing any more. */
interface Dropped {
  nodes: { node: string; from: string[] }[];
}

/** Our own chain of iptables. Its name makes the restoration certain, also after a kill. */
const chain = "MESH-DRILL";

const restoring = `
while iptables -w -t mangle -D PREROUTING -j ${chain} 2>/dev/null; do :; done
if iptables -w -t mangle -S ${chain} >/dev/null 2>&1; then
  iptables -w -t mangle -F ${chain} && iptables -w -t mangle -X ${chain}
fi`;

/** Arguments: addresses and ranges. */
const dropping = `set -e
iptables -w -t mangle -N ${chain}
for from; do iptables -w -t mangle -A ${chain} -s "$from" -j DROP; done
iptables -w -t mangle -I PREROUTING -j ${chain}`;

/**
 * Drops packets inside the nodes of the other clusters, because Docker gives another address to a container that it
 * connects again. iptables is in every k3s image, as kube-proxy needs it. The table `mangle` comes before the
 * connection tracking decides anything, so open connections are cut as well. Requests and answers both cross these
 * nodes, so one end is enough. What the target's own nodes and this machine exchange is not touched.
 */
export const network: Drill<Dropped> = {
  id: "network",
  breaks: ({ target }) => `packets between ${target.name} and the other clusters are dropped`,
  operator: ({ stack, source, target }) =>
    `The network is the operator's: find out what drops packets between ${source.name} and ${target.name} (firewall, ` +
    `route, VPN). When they flow again: npm run heal -- ${stack.name}, because headless mirrors may keep addresses ` +
    "that are not ready",
  changes: undefined,
  async prepare(place) {
    if (place.stack.runtime !== "k3d") {
      const why = place.stack.runtime === "kwok" ? "simulated nodes exchange none" : "the nodes of clusters of yours are left alone"; // prettier-ignore
      throw new UserError(`drill network drops packets between k3d's nodes: ${why}. ${nextDrill(place)}`);
    }
    const { stack, clusters, target } = place;
    const others = Object.values(clusters).filter(({ name }) => name !== target.name);
    const theirs = await containersOf(stack.name, target);
    const from = theirs.map(({ address }) => address);
    const pods = await podRangesOf(target);
    const nodes = others.map(async (other) => {
      // In a flat network pods are seen with their own addresses. Otherwise all clusters have the same ranges.
      const own = await podRangesOf(other);
      const foreign = pods.filter((range) => !own.includes(range));
      const containers = await containersOf(stack.name, other);
      return containers.filter(({ isNode }) => isNode).map(({ node }) => ({ node, from: [...from, ...foreign] }));
    });
    return { nodes: (await Promise.all(nodes)).flat() };
  },
  async break(_, { nodes }) {
    await Promise.all(nodes.map(({ node, from }) => inNode(node, dropping, ...from)));
  },
  async restore(_, { nodes }) {
    await Promise.all(
      nodes.map(async ({ node }) => {
        // The rules of a node that was stopped or removed are gone.
        const { stdout } = await capture("docker", ["inspect", "--format", "{{.State.Running}}", node]);
        if (stdout.trim() === "true") await inNode(node, restoring);
      }),
    );
  },
};

async function inNode(node: string, script: string, ...args: string[]): Promise<void> {
  await outputOf("docker", ["exec", node, "sh", "-c", script, "sh", ...args]);
}

interface Container {
  node: string;
  /** False for the load balancer in front of the API server. */
  isNode: boolean;
  address: string;
}

async function containersOf(stack: string, { name }: ClusterClient): Promise<Container[]> {
  const filter = `label=k3d.cluster=${physicalNameOf(stack, name)}`;
  const names = await outputOf("docker", ["ps", "--filter", filter, "--format", "{{.Names}}"]);
  const format = '{{index .Config.Labels "k3d.role"}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}';
  const containers = names
    .split("\n")
    .filter(Boolean)
    .map(async (node): Promise<Container[]> => {
      const [role, address] = (await outputOf("docker", ["inspect", "--format", format, node])).trim().split(" ");
      return address ? [{ node, isNode: role === "server" || role === "agent", address }] : [];
    });
  return (await Promise.all(containers)).flat();
}

async function podRangesOf({ core }: ClusterClient): Promise<string[]> {
  const { items } = await core.listNode();
  return items.flatMap(({ spec }) => spec?.podCIDRs ?? []);
}
