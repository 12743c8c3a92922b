import type { LinkStatus } from "../status/model";

/** A link's state in a word or two. Examples: `3 ms` while it is alive, `dead` */
export function linkLabel({ state, latency }: LinkStatus): string {
  return state === "alive" && latency !== undefined ? `${latency} ms` : state;
}

/** The text beside a line. Example: `east->west 3 ms` */
export function linkText(link: LinkStatus): string {
  return `${link.source}->${link.target} ${linkLabel(link)}`;
}

/** Whether a link is drawn as broken. */
export function isBroken({ state }: LinkStatus): boolean {
  return state === "dead" || state === "failing";
}
