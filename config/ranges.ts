/** Where the pods and the services of a cluster get their addresses from. */
export interface Ranges {
  /** Example: `10.64.0.0/18`, for 64 nodes of 250 pods */
  pods: string;
  /** Example: `10.64.64.0/18` */
  services: string;
}

/** An IPv4 range in CIDR notation, as numbers. */
interface Block {
  first: number;
  last: number;
}

/** Length of the prefix of each cluster's ranges. */
const prefix = 18;

/** How many clusters a range is enough for. Example: 32 for `10.64.0.0/12` */
export function clustersIn(range: string): number {
  return 2 ** (prefix - 1 - Number(range.split("/")[1]));
}

/** Why a text is no range that clusters can share, or undefined. */
export function rangeProblem(range: string): string | undefined {
  const allowed = "a private IPv4 range with a prefix of 8 to 17 bits, such as 10.64.0.0/12";
  const [, address = "", bits = ""] = /^([\d.]+)\/(\d+)$/.exec(range) ?? [];
  const parts = address.split(".").map(Number);
  const isAddress = parts.length === 4 && parts.every((part) => Number.isInteger(part) && part <= 255);
  if (!isAddress || Number(bits) < 8 || Number(bits) > 17) return allowed;
  if (numberOf(address) % 2 ** (32 - Number(bits)) !== 0) return `${allowed}, which begins at its first address`;
  return ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].some((one) => contains(one, range))
    ? undefined
    : allowed;
}

/** The ranges of the cluster at a position in the list of clusters. */
export function rangesAt(range: string, position: number): Ranges {
  const { first } = block(range);
  const at = (i: number) => `${addressOf(first + i * 2 ** (32 - prefix))}/${prefix}`;
  return { pods: at(2 * position), services: at(2 * position + 1) };
}

/** Whether two ranges have an address in common. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [block(one), block(other)];
  return a.first <= b.last && b.first <= a.last;
}

function contains(outer: string, inner: string): boolean {
  const [a, b] = [block(outer), block(inner)];
  return a.first <= b.first && b.last <= a.last;
}

function block(range: string): Block {
  const [address = "", bits = "32"] = range.split("/");
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(numberOf(address) / size) * size;
  return { first, last: first + size - 1 };
}

function numberOf(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
