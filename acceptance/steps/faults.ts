import { Prober, secondsSince } from "../ask";
import type { Context } from "../context";
import { targetsWithPods } from "../mesh";
import { type Figures, type Step } from "../runner";

/** How long names may fail after `npm run heal` has ended. Includes the half minute without a failure. */
const steadyWithinSeconds = 120;

/**
 * Breaks a cluster whose pods are asked for, and repairs it with the product's own commands.
 *
 * @param fault gets the name of the k3d cluster
 */
async function recover(context: Context, figures: Figures, fault: (cluster: string) => Promise<void>): Promise<void> {
  const { product, clients, mesh } = context;
  const its = await mesh();
  const targets = await targetsWithPods(its);
  const victim = its.clusters[targets.find(({ kind }) => kind === "pod")?.link.target ?? ""];
  if (!victim) throw new Error("there is no cluster whose pods are asked for");
  for (const { link } of targets) {
    const source = its.clusters[link.source];
    if (source) await clients.of(source);
  }
  await fault(victim.context.replace(/^k3d-/, ""));
  figures.cluster = victim.name;
  const prober = Prober.start(context, its, targets);
  try {
    const began = Date.now();
    const changes = await product.update("start", product.stack);
    figures["npm start ended after, s"] = secondsSince(began);
    figures["changes by npm start"] = changes;
    await product.script("heal", product.stack);
    figures["npm run heal ended after, s"] = secondsSince(began);
    figures["every name answers after, s"] = await prober.untilSteady(steadyWithinSeconds);
  } finally {
    await prober.stop();
  }
}

export const faultSteps: Step<Context>[] = [
  {
    id: "stop-start",
    title: "A cluster is stopped; npm start and npm run heal repair it",
    asserts: "npm start and npm run heal succeed, and then every name answers for half a minute",
    needs: ["requests"],
    run: (context, figures) =>
      recover(context, figures, (cluster) => context.product.program("k3d", "cluster", "stop", cluster)),
  },
  {
    id: "kill-node",
    title: "A node is killed; npm start and npm run heal repair it",
    asserts: "npm start and npm run heal succeed, and then every name answers for half a minute",
    needs: ["requests"],
    run: (context, figures) =>
      recover(context, figures, (cluster) => context.product.program("docker", "kill", `k3d-${cluster}-server-0`)),
  },
];
