import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { physicalNameOf } from "../config/physicalName";
import { freePorts } from "../lib/ports";
import { root } from "../lib/paths";
import { say } from "../lib/run";
import type { Lab } from "./lab";
import type { MeasureOptions } from "./measures";
import type { Cost } from "./measure";
import { type NodeUse, useOf } from "./nodes";
import type { Results } from "./results";
import { tell } from "./steps";

const counts = [2, 3, 4];

/** Clusters with the sample's workloads come first, so that each mesh has them. */
const names = ["east", "west", "north", "south"];

/** How long the nodes are watched when nothing happens, seconds. */
const idleSeconds = 30;

/**
 * Full meshes of 2, 3 and 4 k3d clusters with the sample's workloads in two of them. Stops where the next mesh would not
 * fit into the free memory.
 */
export async function measureK3dGrowth(
  lab: Lab,
  rounds: number,
  results: Results,
  { nodeImage }: MeasureOptions,
): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    let measured: NodeUse | undefined;
    for (const count of counts) {
      const problem = measured && memoryProblem(count, measured, freeMemory());
      if (problem) {
        say(problem);
        results.notes.push(problem);
        break;
      }
      measured = await measureMesh(lab, count, round, results, nodeImage);
    }
  }
}

async function measureMesh(lab: Lab, count: number, round: number, results: Results, nodeImage?: string) {
  const clusters = names.slice(0, count);
  const name = `bench${count}r${round}`;
  const stack = await lab.stack(name, {
    "mesh:runtime": "k3d",
    "mesh:clusters": clusters,
    "mesh:manifests": path.join(root, "manifests"),
    "mesh:portBase": await freePorts(count),
    // Its container would stay on the machine.
    "mesh:imageCache": false,
    ...(nodeImage && { "mesh:nodeImage": nodeImage }),
  });
  const mesh = `${count} k3d clusters`;
  const step = async (verb: string, cost: Promise<Cost>) => {
    const figure = `${verb}, ${mesh}`;
    const measured = await tell(round, figure, cost);
    results.add(figure, measured);
    return measured;
  };

  const up = await step("up", stack.bringUp());
  const physical = clusters.map((cluster) => physicalNameOf(name, cluster));
  const use = await useOf(physical);
  await sleep(idleSeconds * 1000);
  const idle = ((await useOf(physical)).cpu - use.cpu) / idleSeconds;
  results.addNodes(mesh, { use, idle, busy: (up.cpu + use.cpu) / up.seconds / os.cpus().length });
  await step("preview", stack.pulumi("preview"));
  await step("destroy", stack.pulumi("destroy", "--yes", "--skip-preview"));
  return use;
}

/** Why a mesh of this size would not fit into the memory, or undefined. The last mesh tells what a cluster takes. */
export function memoryProblem(count: number, { workingSet, clusters }: NodeUse, free: number): string | undefined {
  const needed = (workingSet / clusters) * count + spare;
  if (needed <= free) return undefined;
  const gibibytes = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  return `${count} clusters are left out: they would need ${gibibytes(needed)} GiB, and ${gibibytes(free)} GiB are free`;
}

/** For the program and the peak while pods start, bytes. */
const spare = 2 * 2 ** 30;

/** Memory that programs can get without swapping, bytes. */
function freeMemory(): number {
  return Number(/^MemAvailable: +(\d+) kB$/m.exec(fs.readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
}
