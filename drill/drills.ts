import { certificate } from "./breaks/certificate";
import { cluster } from "./breaks/cluster";
import { link } from "./breaks/link";
import { network } from "./breaks/network";
import { controller, gateway, pod } from "./breaks/scaling";
import { drillIds, type Drill, type DrillId } from "./drill";

const known: Record<DrillId, Drill> = { pod, gateway, link, controller, cluster, network, certificate };

/** In the order in which `--all` runs them: from the smallest loss to the largest. */
export const drills: readonly Drill[] = drillIds.map((id) => known[id]);

export const drillOf = (id: DrillId): Drill => known[id];
