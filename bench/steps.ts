import { say } from "../lib/run";
import { freePorts } from "../lib/ports";
import type { Cost } from "./measure";

/** kwok needs six ports per cluster: plan.ts. */
const portsPerCluster = 6;

/** Settings of a stack of simulated clusters. */
export async function rehearsalConfig(clusters: string[], manifests: string): Promise<Record<string, unknown>> {
  return {
    "mesh:runtime": "kwok",
    "mesh:clusters": clusters,
    "mesh:manifests": manifests,
    "mesh:portBase": await freePorts(clusters.length * portsPerCluster),
  };
}

/** Waits for a step of a round, and prints what it cost. */
export async function tell(round: number, figure: string, measured: Promise<Cost>): Promise<Cost> {
  const cost = await measured;
  say(`round ${round}: ${figure}: ${cost.seconds.toFixed(1)} s, CPU ${cost.cpu.toFixed(1)} s`);
  return cost;
}
