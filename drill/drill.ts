import type { ClusterClient } from "../verify/api";
import type { Stack } from "../verify/stack";

export const drillIds = ["pod", "gateway", "link", "controller", "cluster", "network", "certificate"] as const;
export type DrillId = (typeof drillIds)[number];

/** Where a drill breaks something: one link, and the clusters at its ends. */
export interface Place {
  stack: Stack;
  clusters: Record<string, ClusterClient>;
  /** The cluster that mirrors. */
  source: ClusterClient;
  /** The cluster whose services are mirrored. */
  target: ClusterClient;
}

/** Something to break on purpose, and to restore. */
export interface Drill<State extends object = object> {
  id: DrillId;
  /** One sentence. Example: `the gateway of west is scaled to 0` */
  breaks(place: Place): string;
  /** What an operator does when this happens for real. */
  operator(place: Place): string;
  /** The cluster whose objects it changes. Undefined if it changes none, but containers or processes. */
  changes: "source" | "target" | undefined;
  /**
   * Looks at the thing to break, and changes nothing. The result is recorded before the break.
   *
   * @returns plain JSON without secrets: everything that `restore` needs, also in a later run
   * @throws UserError when the drill cannot run here
   */
  prepare(place: Place): Promise<State>;
  break(place: Place, state: State): Promise<void>;
  /**
   * Puts everything back exactly as `prepare` saw it. May run twice, or after a break that was killed halfway. Leaves
   * alone what someone else has changed since.
   */
  restore(place: Place, state: State): Promise<void>;
}

/** The end of a sentence that refuses a drill. Example: `Next: npm run drill -- gateway dev` */
export const nextDrill = ({ stack }: Pick<Place, "stack">): string =>
  `Next: npm run drill -- gateway ${stack.name}, or another of ${drillIds.join(", ")}`;
