import { connectAll, type ClusterClient } from "../verify/api";
import type { LinkName, Stack } from "../verify/stack";
import { askCluster, type ClusterAnswers, factsOf } from "./facts";
import { meshStatus } from "./meshStatus";
import type { MeshStatus } from "./model";

/** Linkerd probes a gateway every 3 s, a tenth sooner or later. So an answer is missing after this time, in milliseconds. */
const silence = 3_600;

/**
 * Follows a mesh. Each call asks all clusters at once and remembers when probes were answered.
 *
 * @example
 * const ask = await follow(await readStack("dev"));
 * console.log((await ask()).links);
 */
export async function follow(stack: Stack): Promise<() => Promise<MeshStatus>> {
  const clusters: [string, ClusterClient][] = Object.entries(await connectAll(stack));
  const answered = new Map<string, { count: number; at: number }>();
  return async () => {
    const answers: ClusterAnswers = Object.fromEntries(
      await Promise.all(clusters.map(async ([name, cluster]) => [name, await askCluster(cluster)] as const)),
    );
    const facts = factsOf(answers);
    const now = Date.now();
    const isSilent = ({ source, target }: LinkName): boolean => {
      const count = facts(source)?.metrics.probes[target]?.answered;
      if (count === undefined) return false;
      const known = answered.get(`${source} ${target}`);
      if (known?.count !== count) answered.set(`${source} ${target}`, { count, at: now });
      return known?.count === count && now - known.at > silence;
    };
    return meshStatus(stack, answers, isSilent);
  };
}
