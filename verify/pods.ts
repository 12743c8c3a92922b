import type { Pod } from "./api";

/** Whether a pod runs, and nobody has deleted it. */
export function isRunning({ metadata, status }: Pod): boolean {
  return status?.phase === "Running" && metadata?.deletionTimestamp === undefined;
}

/** Whether a pod is ready, and nobody has deleted it. */
export function isReady({ metadata, status }: Pod): boolean {
  const conditions = status?.conditions ?? [];
  return (
    metadata?.deletionTimestamp === undefined &&
    conditions.some((condition) => condition.type === "Ready" && condition.status === "True")
  );
}
