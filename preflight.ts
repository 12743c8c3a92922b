import * as pulumi from "@pulumi/pulumi";
import type { ClustersArgs } from "./components/clusters";
import { gatewayApiProblem } from "./components/clusters/existing";
import { type LocalRuntime, problem, wake } from "./components/clusters/lifecycle/check";
import { dockerProblem, imagesProblem, k3d, networkProblem } from "./components/clusters/lifecycle/k3d";
import { kwok } from "./components/clusters/lifecycle/kwok";
import { onPath } from "./components/clusters/lifecycle/places";
import type { Plan } from "./plan";
import { RefusedError } from "./settings";

/**
 * Refuses, before anything is created, what this machine cannot give: a program, an engine, names and ports that someone
 * else has, images that Docker has not, clusters of this stack that were removed behind its back. Starts those that are
 * stopped.
 *
 * @throws RefusedError with every problem found
 */
export async function preflight({ plan, settings, owner }: ClustersArgs): Promise<void> {
  // As the engine tells its programs; the SDK has no other way to ask.
  const few = fewOperations(plan, Number(process.env.PULUMI_NODEJS_PARALLEL));
  if (few) await pulumi.log.warn(few);
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

/** Of Linkerd's control plane: identity, destination, injector. */
const controlPlaneDeployments = 3;
/** Of the multicluster extension, beside a controller for each link: the gateway and the mirror of local services. */
const extensionDeployments = 2;

/**
 * Why an update of these clusters can stand still, or undefined.
 *
 * A Deployment holds one of the engine's operations until its pods are ready, and they wait for an account that the same
 * chart may bring after it. With as many of them as there are operations the accounts never come, and ten minutes later the
 * update fails. Seen at eight clusters with eight operations, which are the default on two cores; cli/backend.ts sets no bound.
 *
 * @param operations how many the engine runs side by side (`--parallel`, PULUMI_PARALLEL)
 */
export function fewOperations({ clusters, stack }: Pick<Plan, "clusters" | "stack">, operations: number) {
  const waiting = clusters
    .map(({ targets }) => Math.max(controlPlaneDeployments, extensionDeployments + targets.length))
    .reduce((sum, deployments) => sum + deployments, 0);
  if (!(operations <= waiting)) return undefined;
  return (
    `${operations} operations run side by side, and ${waiting} Deployments can wait for accounts that come after them: ` +
    `an update can stand still for ten minutes and fail. Next: pulumi up --parallel ${2 * waiting}, or npm start -- ${stack}`
  );
}

function refuse(problems: (string | undefined)[]): void {
  const found = problems.filter((one) => one !== undefined);
  if (found.length > 0) throw new RefusedError(found);
}
