import { contains, rangeOf, rangesOf } from "../lib/addressRanges";

/** Where the pods and the services of a cluster get their addresses from. */
export interface Ranges {
  /** Example: `10.64.0.0/18`, for 64 nodes of 250 pods */
  pods: string;
  /** Example: `10.64.64.0/18` */
  services: string;
}

/** Length of the prefix of each cluster's ranges. */
const prefix = 18;

const privateRanges = rangesOf(["10.0.0.0/8", "100.64.0.0/10"]);

/** How many clusters a range is enough for. Example: 32 for `10.64.0.0/12` */
export function clustersIn(range: string): number {
  return 2 ** (prefix - 1 - Number(range.split("/")[1]));
}

/** Why a text is no range that clusters can share, or undefined. */
export function rangeProblem(range: string): string | undefined {
  const allowed =
    "a range of 10.0.0.0/8 or 100.64.0.0/10 with a prefix of 8 to 17 bits, such as 10.64.0.0/12 (Docker takes its networks " +
    "from the other private ranges)";
  const read = rangeOf(range);
  if (!read || read.prefix < 8 || read.prefix > 17) return allowed;
  if (!privateRanges.some((one) => contains(one, read))) return allowed;
  return numberOf(read.start.address) % 2 ** (32 - read.prefix) === 0
    ? undefined
    : `${allowed}, which begins at its first address`;
}

/** The ranges of the cluster at a position in the list of clusters. */
export function rangesAt(range: string, position: number): Ranges {
  const first = numberOf(range.split("/")[0] ?? "");
  const at = (i: number) => `${addressOf(first + i * 2 ** (32 - prefix))}/${prefix}`;
  return { pods: at(2 * position), services: at(2 * position + 1) };
}

function numberOf(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
