import * as pulumi from "@pulumi/pulumi";
import type { ClustersArgs } from ".";
import { gatewayApiProblem } from "./existing";
import { type LocalRuntime, problem, wake } from "./lifecycle/check";
import { hostNetworks, rangeClash } from "./lifecycle/hostNetworks";
import { inotifyProblem, otherNodes } from "./lifecycle/inotify";
import { checkoutProblem, dockerProblem, imagesProblem, k3d, networkProblem } from "./lifecycle/k3d";
import { kwok } from "./lifecycle/kwok";
import { proxyProblem } from "./lifecycle/proxy";
import { whichProgram } from "../../lib/files";
import { contextProblems } from "../../config/contexts";
import type { ClusterPlan, Plan } from "../../config/plan";
import { RefusedError, type Settings } from "../../config/settings";

/**
 * Refuses the plan, before anything is created, if this machine lacks something: a program, an engine, free names and
 * ports, images in Docker, or clusters of this stack that someone removed. Starts clusters that are stopped.
 *
 * @throws RefusedError with every problem found
 */
export async function preflight({ plan, settings, owner }: ClustersArgs): Promise<void> {
  if (plan.runtime === "existing") {
    const existing = Object.entries(settings.existing);
    refuse(existing.flatMap(([name, cluster]) => contextProblems(name, cluster)));
    if (!settings.installGatewayApi) return;
    return refuse(await Promise.all(existing.map(([name, cluster]) => gatewayApiProblem(name, cluster))));
  }
  if (plan.runtime === "k3d") {
    const docker = await dockerProblem();
    if (docker) throw new RefusedError([docker]);
    const proxy = proxyProblem(process.env);
    if (proxy) await pulumi.log.warn(proxy);
  }
  const runtime: LocalRuntime = plan.runtime === "k3d" ? k3d : kwok;
  if (!(await whichProgram(runtime.program))) {
    const next = `Next: npm start -- ${plan.stack}, which provides it, or install it`;
    throw new RefusedError([`runtime is ${runtime.name}, but ${runtime.program} is not on PATH. ${next}`]);
  }
  const rebuild = (name: string) => `npm run rebuild -- ${plan.stack} ${name}`;
  const clusters = await Promise.all(
    plan.clusters.map(async (cluster) => ({ ...cluster, found: await runtime.find(cluster.physicalName) })),
  );
  refuse(
    await Promise.all([
      ...clusters.map(({ name, physicalName, context, ports, found }) =>
        problem(runtime, { name: physicalName, context, ports }, owner, found, rebuild(name)),
      ),
      ...(plan.runtime === "k3d"
        ? [
            networkProblem(plan.network, owner),
            // Existing clusters have imported them, so the local copies may be gone.
            clusters.every(({ found }) => found) ? undefined : imagesProblem(settings.images),
            "checkout" in plan.charts ? checkoutProblem(plan.charts) : undefined,
            nodesProblem(plan, settings),
            // Ranges of existing clusters are routed already, and they cannot change.
            rangesProblem(
              clusters.filter(({ found }) => !found),
              settings,
            ),
          ]
        : []),
    ]),
  );
  refuse(
    await Promise.all(
      clusters.map(async ({ name, physicalName, found }) => {
        const what = `${runtime.name} cluster ${physicalName}, which this stack made,`;
        try {
          if (await wake(runtime, physicalName, owner, found))
            await pulumi.log.warn(`${what} was stopped: it is started again`);
          return undefined;
        } catch (error) {
          return `${what} is stopped, and cannot be started: ${(error as Error).message}. Next: ${rebuild(name)}`;
        }
      }),
    ),
  );
}

/** Asked whether or not the clusters exist: stopped ones start again. */
async function nodesProblem(plan: Plan, { servers, agents }: Settings): Promise<string | undefined> {
  const others = await otherNodes(plan.clusters.map(({ physicalName }) => physicalName));
  const sum = (numbers: Record<string, number>) => Object.values(numbers).reduce((all, one) => all + one, 0);
  return inotifyProblem({ server: others.server + sum(servers), agent: others.agent + sum(agents) });
}

/** Whether a new cluster would get a range that something on this machine uses. */
async function rangesProblem(missing: ClusterPlan[], { flatRange }: Settings): Promise<string | undefined> {
  const used = missing.flatMap(({ ranges }) => (ranges ? [ranges.pods, ranges.services] : []));
  return used.length > 0 ? rangeClash(flatRange, used, await hostNetworks()) : undefined;
}

function refuse(problems: (string | undefined)[]): void {
  const found = problems.filter((one) => one !== undefined);
  if (found.length > 0) throw new RefusedError(found);
}
