import * as pulumi from "@pulumi/pulumi";
import { findCharts } from "./charts";
import { Mesh } from "./components/mesh";
import { curlCommands, warnBeforeExpiry } from "./outputs";
import { makePlan } from "./plan";
import { preflight } from "./preflight";
import { readSettings } from "./settings";

/** Settings in, mesh, outputs out. */
export = async () => {
  const settings = readSettings();
  const plan = makePlan(pulumi.getStack(), settings);
  const owner = `stack ${plan.stack} of ${process.cwd()}`;
  const [charts] = await Promise.all([findCharts(plan.charts), preflight(plan, owner)]);

  const mesh = new Mesh("mesh", { plan, settings, charts, owner });

  warnBeforeExpiry(mesh);
  return {
    runtime: plan.runtime,
    clusters: mesh.clusters,
    links: plan.links.map(({ source, target }) => ({ source: source.name, target: target.name })),
    mirrors: plan.mirrors,
    curl: curlCommands(plan),
    trustAnchorExpires: mesh.trustAnchor.expires,
    kubeconfigs: mesh.kubeconfigs,
  };
};
