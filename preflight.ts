import * as pulumi from "@pulumi/pulumi";
import type { ClustersArgs } from "./components/clusters";
import { gatewayApiProblem } from "./components/clusters/existing";
import { type LocalRuntime, problem, wake } from "./components/clusters/lifecycle/check";
import { dockerProblem, imagesProblem, k3d, networkProblem } from "./components/clusters/lifecycle/k3d";
import { kwok } from "./components/clusters/lifecycle/kwok";
import { onPath } from "./components/clusters/lifecycle/places";
import { RefusedError } from "./settings";

/**
 * Refuses, before anything is created, what this machine cannot give: a program, an engine, names and ports that someone
 * else has, images that Docker has not, clusters of this stack that were removed behind its back. Starts those that are
 * stopped.
 *
 * @throws RefusedError with every problem found
 */
export async function preflight({ plan, settings, owner }: ClustersArgs): Promise<void> {
  if (plan.runtime === "existing") {
    if (!settings.installGatewayApi) return;
    const existing = Object.entries(settings.existing);
    return refuse(await Promise.all(existing.map(([name, cluster]) => gatewayApiProblem(name, cluster))));
  }
  if (plan.runtime === "k3d") {
    const docker = await dockerProblem();
    if (docker) throw new RefusedError([docker]);
  }
  const runtime: LocalRuntime = plan.runtime === "k3d" ? k3d : kwok;
  if (!(await onPath(runtime.program))) {
    const next = `Next: npm start -- ${plan.stack}, which brings it, or install it`;
    throw new RefusedError([`runtime is ${runtime.name}, but ${runtime.program} is not on PATH. ${next}`]);
  }
  const rebuild = (name: string) => `npm run rebuild -- ${plan.stack} ${name}`;
  const clusters = await Promise.all(
    plan.clusters.map(async (cluster) => ({ ...cluster, found: await runtime.find(cluster.outsideName) })),
  );
  refuse(
    await Promise.all([
      ...clusters.map(({ name, outsideName, context, ports, found }) =>
        problem(runtime, { name: outsideName, context, ports }, owner, found, rebuild(name)),
      ),
      ...(plan.runtime === "k3d"
        ? [
            networkProblem(plan.network, owner),
            // A cluster that stands has them: the local copies may go.
            clusters.every(({ found }) => found) ? undefined : imagesProblem(settings.images),
          ]
        : []),
    ]),
  );
  refuse(
    await Promise.all(
      clusters.map(async ({ name, outsideName, found }) => {
        const what = `${runtime.name} cluster ${outsideName}, which this stack made,`;
        try {
          if (await wake(runtime, outsideName, owner, found))
            await pulumi.log.warn(`${what} was stopped: it is started again`);
          return undefined;
        } catch (error) {
          return `${what} is stopped, and cannot be started: ${(error as Error).message}. Next: ${rebuild(name)}`;
        }
      }),
    ),
  );
}

function refuse(problems: (string | undefined)[]): void {
  const found = problems.filter((one) => one !== undefined);
  if (found.length > 0) throw new RefusedError(found);
}
