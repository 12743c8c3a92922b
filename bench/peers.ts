import { randomBytes } from "node:crypto";
import * as path from "node:path";
import { parse } from "yaml";
import { findCharts, type ChartPaths } from "../config/charts";
import { physicalNameOf } from "../config/physicalName";
import { about } from "../config/schema";
import { RefusedError } from "../config/settings";
import { freePorts } from "../lib/ports";
import { capture, outputOf, say, UserError } from "../lib/run";
import type { Lab } from "./lab";
import { type Cost, measure, together } from "./measure";
import type { MeasureOptions } from "./measures";
import { writeFolder } from "./peers/folder";
import type { Results } from "./results";

/** The peers: ways to build the mesh, as the table calls them. */
const titles = { demo: "the demo's steps", helm: "Helm side by side", program: "this program" };
type Peer = keyof typeof titles;

/** One peer in one round. */
interface Building {
  build: () => Promise<Cost>;
  remove: () => Promise<Cost>;
  /** Where kubectl finds the cluster east. */
  kubeconfig: string;
}

/**
 * Builds the mesh of `manifests/` on k3d in three ways, in turn. Each ends when its tool has ended and a request from a
 * pod in east to the mirror of one pod of west is answered. No peer uses the image cache.
 */
export async function measurePeers(lab: Lab, rounds: number, results: Results, options: MeasureOptions): Promise<void> {
  const charts = await chartsOf(lab);
  const chart = await outputOf("helm", ["show", "chart", charts["linkerd-control-plane"]], lab.env);
  const { appVersion } = parse(chart) as { appVersion: string };
  const { code, stdout } = await capture("linkerd", ["version", "--client", "--short"], { env: lab.env });
  const leftOut = demoProblem(code === 127 ? undefined : stdout.trim(), appVersion);
  const nodeImage = options.nodeImage ?? "of k3d's release";
  results.notes.push(`Linkerd ${appVersion}, node image ${nodeImage}, no image cache.`);
  if (leftOut) results.notes.push(leftOut);
  const peers = (Object.keys(titles) as Peer[]).filter((peer) => peer !== "demo" || !leftOut);

  // Nobody else's clusters have this name.
  const prefix = `bench-${randomBytes(3).toString("hex")}`;
  for (let round = 1; round <= rounds; round++) {
    for (const peer of orderOf(peers, round)) {
      const name = `${prefix}-${peer}-${round}`;
      const building = await (peer === "program"
        ? program(lab, name, options)
        : script(lab, peer, name, charts, options));
      await measureBuilding(lab, building, physicalNameOf(name, "east"), (figure, cost) => {
        say(`round ${round}: ${titles[peer]}, ${figure}: ${cost.seconds.toFixed(1)} s, CPU ${cost.cpu.toFixed(1)} s`);
        results.add(`${titles[peer]}: ${figure}`, cost);
      });
    }
  }
}

async function measureBuilding(
  lab: Lab,
  { build, remove, kubeconfig }: Building,
  east: string,
  add: (figure: string, cost: Cost) => void,
): Promise<void> {
  try {
    const done = await build();
    add("done", done);
    const request = [path.join(__dirname, "peers", "answer.sh"), kubeconfig, `k3d-${east}`];
    const answered = await measure("sh", request, { env: lab.env, cwd: lab.directory, log: lab.log });
    add("first answer", together([done, answered]));
  } finally {
    add("removed", await remove());
  }
}

/** In turn, each peer comes first: it pulls and reads what is warm for the next. */
export function orderOf<T>(all: T[], round: number): T[] {
  const first = (round - 1) % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

/**
 * Why the demo's steps are left out, or undefined.
 *
 * @param cli version of the linkerd CLI, undefined where none is on PATH
 * @param charts version of Linkerd that the charts install
 */
export function demoProblem(cli: string | undefined, charts: string): string | undefined {
  if (cli === charts) return undefined;
  const why = cli === undefined ? "linkerd is not on PATH" : `linkerd on PATH is ${cli}, which has other images`;
  return `Without ${titles.demo}: ${why}. Next: install the linkerd CLI ${charts}`;
}

async function chartsOf({ env }: Lab): Promise<ChartPaths> {
  const directory = env.MESH_CHART_DIRECTORY ?? process.env.MESH_CHART_DIRECTORY;
  const usual = (setting: "chartRepository" | "linkerdVersion") => String(about[setting].default);
  try {
    return await findCharts(
      directory ? { directory } : { repository: usual("chartRepository"), version: usual("linkerdVersion") },
    );
  } catch (error) {
    throw error instanceof RefusedError ? new UserError(error.message) : error;
  }
}

async function program(lab: Lab, name: string, { nodeImage }: MeasureOptions): Promise<Building> {
  const stack = await lab.stack(name, {
    "mesh:runtime": "k3d",
    "mesh:imageCache": false,
    "mesh:portBase": await freePorts(2),
    ...(nodeImage && { "mesh:nodeImage": nodeImage }),
  });
  return {
    build: stack.bringUp,
    remove: () => stack.pulumi("destroy", "--yes", "--skip-preview"),
    kubeconfig: lab.env.KUBECONFIG ?? "",
  };
}

function script(lab: Lab, peer: Peer, name: string, charts: ChartPaths, { nodeImage = "" }: MeasureOptions): Building {
  const folder = path.join(lab.directory, name);
  writeFolder(folder, name, charts);
  const run = (verb: "up" | "down") =>
    measure("sh", [path.join(__dirname, "peers", `${peer}.sh`), verb, folder], {
      env: { ...lab.env, NODE_IMAGE: nodeImage },
      cwd: folder,
      log: lab.log,
    });
  return { build: () => run("up"), remove: () => run("down"), kubeconfig: path.join(folder, "east", "kubeconfig") };
}
