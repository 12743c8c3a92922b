import * as fs from "node:fs";
import * as path from "node:path";
import { parseAllDocuments } from "yaml";
import { root } from "../lib/paths";
import { UserError } from "../lib/run";
import { measureDevelopers } from "./developers";
import { measureK3dGrowth } from "./k3dGrowth";
import type { Lab } from "./lab";
import { type Cost, measure } from "./measure";
import { measurePeers } from "./peers";
import { render, write } from "./render";
import type { Results } from "./results";
import { rehearsalConfig, tell } from "./steps";

export interface MeasureOptions {
  /** Image of k3d's nodes. Default: the one k3d was released with */
  nodeImage?: string;
}

type Measure = (lab: Lab, rounds: number, results: Results, options: MeasureOptions) => Promise<void>;

/** The measurements, by name. Each adds its figures to the results, once per round. */
export const measures: Record<string, Measure> = {
  preview: measurePreviews,
  rehearsal: measureRehearsal,
  growth: measureGrowth,
  developers: measureDevelopers,
  k3d: measureK3dGrowth,
  peers: measurePeers,
};

/** Measures that need Docker. They run only when they are named. */
export const onK3d = ["k3d", "peers"];

/** No-op previews of an empty program and of the rehearsal, in turn. */
async function measurePreviews(lab: Lab, rounds: number, results: Results): Promise<void> {
  const empty = await lab.stack("empty", {}, path.join(__dirname, "empty"));
  const mesh = await lab.stack("previewed", await rehearsalConfig(["east", "west"], path.join(root, "manifests")));
  for (const stack of [empty, mesh]) {
    await stack.pulumi("up", "--yes", "--skip-preview");
    // The first preview fills caches (files, compiled TypeScript).
    await stack.pulumi("preview");
  }
  for (let round = 1; round <= rounds; round++) {
    results.add("preview, empty program", await tell(round, "preview, empty program", empty.pulumi("preview")));
    results.add("preview, nothing to do", await tell(round, "preview, nothing to do", mesh.pulumi("preview")));
  }
  await mesh.pulumi("destroy", "--yes", "--skip-preview");
}

/** Measures up, up again, up with a changed manifest, and destroy. Then the shell script applies the same objects. */
async function measureRehearsal(lab: Lab, rounds: number, results: Results): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    const manifests = path.join(lab.directory, `manifests-${round}`);
    fs.cpSync(path.join(root, "manifests"), manifests, { recursive: true });
    const name = `rehearsal-${round}`;
    const stack = await lab.stack(name, await rehearsalConfig(["east", "west"], manifests));
    const step = async (figure: string, cost: Promise<Cost>) => results.add(figure, await tell(round, figure, cost));

    await step("up", stack.bringUp());
    results.addState("rehearsal", await stack.state());
    await step("up again", stack.pulumi("up", "--yes", "--skip-preview"));
    changeManifest(manifests);
    await step("up, a manifest changed", stack.pulumi("up", "--yes", "--skip-preview"));

    const folder = path.join(lab.directory, `script-${round}`);
    const rendered = render(await stack.export());
    write(rendered, folder);
    for (const cluster of Object.keys(rendered)) {
      fs.writeFileSync(path.join(folder, cluster, "name"), `${name}-${cluster}`);
      const made = path.join(lab.env.XDG_DATA_HOME ?? "", "linkerd-multicluster-mesh", `${name}-${cluster}`);
      // The stack's directory goes with its cluster.
      const own = path.join(folder, cluster);
      fs.copyFileSync(path.join(made, "scheduler.yaml"), path.join(own, "scheduler.yaml"));
      const config = fs.readFileSync(path.join(made, "kwok.yaml"), "utf8").replaceAll(made, own);
      fs.writeFileSync(path.join(own, "kwok.yaml"), config);
    }
    await step("destroy", stack.pulumi("destroy", "--yes", "--skip-preview"));

    const script = (verb: "up" | "down") =>
      measure("sh", [path.join(__dirname, "script.sh"), verb, folder], { env: lab.env, cwd: folder, log: lab.log });
    try {
      await step("shell script, up", script("up"));
    } finally {
      await step("shell script, down", script("down"));
    }
    fs.rmSync(folder, { recursive: true });
  }
}

/** Full meshes of 2, 4 and 8 clusters without workloads. */
async function measureGrowth(lab: Lab, rounds: number, results: Results): Promise<void> {
  const manifests = path.join(lab.directory, "no-manifests");
  fs.mkdirSync(manifests);
  for (let round = 1; round <= rounds; round++) {
    for (const count of [2, 4, 8]) {
      const clusters = Array.from({ length: count }, (_, i) => `c${i + 1}`);
      const stack = await lab.stack(`mesh-of-${count}-${round}`, await rehearsalConfig(clusters, manifests));
      const step = async (verb: string, cost: Promise<Cost>) => {
        const figure = `${verb}, ${count} clusters`;
        results.add(figure, await tell(round, figure, cost));
      };
      await step("up", stack.bringUp());
      results.addState(`${count} clusters`, await stack.state());
      await step("preview", stack.pulumi("preview"));
      await step("destroy", stack.pulumi("destroy", "--yes", "--skip-preview"));
    }
  }
}

/** Changes an annotation on the pods of the first Deployment found. */
function changeManifest(directory: string): void {
  for (const name of fs.readdirSync(directory, { recursive: true }).map(String).sort()) {
    if (!/\.ya?ml$/.test(name)) continue;
    const file = path.join(directory, name);
    const documents = parseAllDocuments(fs.readFileSync(file, "utf8"));
    const deployment = documents.find((document) => "get" in document && document.get("kind") === "Deployment");
    if (!deployment) continue;
    deployment.setIn(["spec", "template", "metadata", "annotations", "bench"], "changed");
    fs.writeFileSync(file, documents.map(String).join("---\n"));
    return;
  }
  throw new UserError(`${directory} has no Deployment to change`);
}
