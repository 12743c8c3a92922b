import type { Pod } from "./api";

/** Whether a pod runs, and nobody has deleted it. */
export function isRunning({ metadata, status }: Pod): boolean {
  return status?.phase === "Running" && metadata?.deletionTimestamp === undefined;
}
