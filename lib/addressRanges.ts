import { BlockList, isIP, SocketAddress } from "node:net";

/** A range of addresses, of either family. */
export interface AddressRange {
  /** Example: `10.42.0.0/24` */
  text: string;
  /** The address before the slash. */
  start: SocketAddress;
  prefix: number;
  members: BlockList;
}

/** Reads a CIDR. Like Linkerd's injector, it accepts no spaces. Undefined if the text is something else. */
export function rangeOf(text: string): AddressRange | undefined {
  const [, address = "", digits = ""] = /^([\da-f.:]+)\/(\d{1,3})$/i.exec(text) ?? [];
  const prefix = Number(digits);
  const version = isIP(address);
  if (version === 0 || prefix > (version === 4 ? 32 : 128)) return undefined;
  const start = new SocketAddress({ address, family: version === 4 ? "ipv4" : "ipv6" });
  const members = new BlockList();
  members.addSubnet(start, prefix);
  return { text, start, prefix, members };
}

/** Reads those of the texts that are CIDRs. */
export const rangesOf = (texts: Iterable<string>): AddressRange[] => [...texts].flatMap((text) => rangeOf(text) ?? []);

/** The families are compared because a BlockList finds IPv4 addresses in `::/0`. */
export function contains(outer: AddressRange, inner: AddressRange): boolean {
  return outer.start.family === inner.start.family && outer.prefix <= inner.prefix && outer.members.check(inner.start);
}

/** Whether two ranges have an address in common. */
export const overlap = (one: AddressRange, other: AddressRange): boolean =>
  contains(one, other) || contains(other, one);

/** A range of each list that have an address in common, or undefined. */
export function overlapOf(
  some: readonly AddressRange[],
  others: readonly AddressRange[],
): [AddressRange, AddressRange] | undefined {
  for (const one of some) {
    const other = others.find((range) => overlap(one, range));
    if (other) return [one, other];
  }
  return undefined;
}
