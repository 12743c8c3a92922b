import * as fs from "node:fs";
import * as os from "node:os";
import { type AddressRange, overlapOf, rangesOf } from "../../../lib/addressRanges";
import { outputOf } from "../../../lib/run";

/** A network that this machine or its Docker engine uses. */
export interface HostNetwork {
  /** Example: `Docker network bridge`, `interface eth0`, `a route of this machine` */
  what: string;
  ranges: AddressRange[];
}

/**
 * Why clusters cannot have these ranges, or undefined: packets to one of this machine's networks would stay in the node.
 *
 * @param used the ranges of all clusters that are still to be made
 */
export function rangeClash(flatRange: string, used: string[], networks: HostNetwork[]): string | undefined {
  for (const { what, ranges } of networks) {
    const [mine, theirs] = overlapOf(rangesOf(used), ranges) ?? [];
    if (!mine || !theirs) continue;
    return (
      `flatRange is ${JSON.stringify(flatRange)}, of which the clusters take ${mine.text}; allowed: a range that no ` +
      `network of this machine uses (${what} has ${theirs.text}). Next: pulumi config set flatRange <value>`
    );
  }
  return undefined;
}

/** The networks of the Docker engine, the interfaces of this machine, and on Linux its routes, such as those of a VPN. */
export async function hostNetworks(): Promise<HostNetwork[]> {
  const interfaces = Object.entries(os.networkInterfaces()).map(([name, addresses = []]) => ({
    what: `interface ${name}`,
    ranges: rangesOf(addresses.flatMap(({ cidr }) => cidr ?? [])),
  }));
  const table = "/proc/net/route";
  const routes = fs.existsSync(table) ? routesOf(fs.readFileSync(table, "utf8")) : [];
  // Docker's first, because its networks have interfaces and routes too, and its names say more.
  return [...(await dockerNetworks()), ...interfaces, { what: "a route of this machine", ranges: rangesOf(routes) }];
}

async function dockerNetworks(): Promise<HostNetwork[]> {
  const names = (await outputOf("docker", ["network", "ls", "--format", "{{.Name}}"])).split("\n").filter(Boolean);
  const subnets = names.map(async (name) => {
    try {
      return await outputOf("docker", [
        "network",
        "inspect",
        "--format",
        "{{range .IPAM.Config}}{{.Subnet}} {{end}}",
        name,
      ]);
    } catch (error) {
      // Another stack removed it just now.
      if (/no such network|not found/i.test(String(error))) return "";
      throw error;
    }
  });
  const all = await Promise.all(subnets);
  return names.map((name, i) => ({
    what: `Docker network ${name}`,
    ranges: rangesOf((all[i] ?? "").trim().split(" ")),
  }));
}

/**
 * The destinations in /proc/net/route, without the default route. Its addresses are hexadecimal, in the byte order of the
 * machine, which is little-endian wherever k3d runs: https://www.kernel.org/doc/html/latest/filesystems/proc.html
 */
export function routesOf(table: string): string[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, destination, , , , , , mask] = line.trim().split(/\s+/);
      if (!destination || !mask || mask === "00000000") return [];
      const bytes = Buffer.from(destination, "hex").reverse();
      const prefix = [...Buffer.from(mask, "hex")].map((byte) => byte.toString(2).replaceAll("0", "").length);
      return [`${bytes.join(".")}/${prefix.reduce((sum, ones) => sum + ones, 0)}`];
    });
}
