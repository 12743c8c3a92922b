import * as pulumi from "@pulumi/pulumi";
import { findCharts } from "./config/charts";
import { claimClusters } from "./components/clusters/claims";
import { fillImageCache } from "./components/clusters/fillImageCache";
import { refuseToEmpty } from "./components/emptiedClusters";
import { Mesh } from "./components/mesh";
import { meshArgs } from "./components/meshArgs";
import { curlCommands, tellIgnoredFiles, warnBeforeExpiry } from "./components/outputs";
import { refuseFaultyFields } from "./config/fields";
import { makePlan } from "./config/plan";
import { preflight } from "./components/clusters/preflight";
import { readSettings } from "./config/settings";
import { madeClusters } from "./config/state";

// Stack traces are off by default. Set MESH_STACK_TRACES=1 to see them. Pulumi's SDK records the full stack trace of
// each resource in the state, regardless of the limit. Node.js 20 takes some fifteen seconds to print one.
if (!process.env.MESH_STACK_TRACES) Object.defineProperty(Error, "stackTraceLimit", { get: () => 0, set: () => {} });

/** Settings in, mesh, outputs out. */
async function program() {
  const settings = readSettings();
  await refuseFaultyFields(settings.manifests, settings.runtime);
  const stack = pulumi.getStack();
  const plan = makePlan(stack, settings, await madeClusters(stack));
  const owner = `stack ${plan.stack} of ${process.cwd()}`;
  const [paths] = await Promise.all([
    findCharts(plan.charts),
    preflight({ plan, settings, owner }),
    refuseToEmpty(plan),
  ]);

  const args = await meshArgs({ plan, settings, owner, paths });
  await Mesh.prepare("mesh", args);

  if (process.env.MESH_ONLY_CLAIMS) return claimClusters("mesh", args);
  const imagesReady = fillImageCache({ plan, settings }, () => Mesh.images("mesh", args));
  const mesh = new Mesh("mesh", { ...args, imagesReady });

  warnBeforeExpiry(mesh);
  tellIgnoredFiles(settings);
  return {
    runtime: plan.runtime,
    slots: plan.slots,
    clusters: mesh.clusters,
    links: plan.links.map(({ source, target }) => ({ source: source.name, target: target.name })),
    mirrors: plan.mirrors,
    curl: curlCommands(plan),
    trustAnchorExpires: mesh.trustAnchorExpires,
    kubeconfigs: mesh.kubeconfigs,
  };
}

export = () =>
  program().catch(async (error: unknown) => {
    if (!(error instanceof pulumi.RunError) && !process.env.MESH_STACK_TRACES) {
      await pulumi.log.error("this error is unexpected. Next: MESH_STACK_TRACES=1 pulumi up shows where it comes from");
    }
    throw error;
  });
