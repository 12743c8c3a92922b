import { setTimeout as sleep } from "node:timers/promises";
import { say, UserError } from "../lib/run";
import type { MeshStatus } from "../status/model";
import { reason } from "../verify/api";
import { heal } from "../verify/heal";
import { TestNamespaces } from "../verify/testNamespaces";
import { Interrupted } from "../verify/watch";
import type { Drill, Place } from "./drill";
import { record } from "./record";
import type { DrillReport } from "./report";
import { now, Scene, steadySeconds, tenths, type Back } from "./scene";
import { namesOf, noAnswer, Traffic } from "./traffic";
import { roundAfterwards, roundWhileBroken } from "./watchers";

/** Every name must answer this long before something is broken, in seconds. */
const calmSeconds = 5;

/** For the first client, whose names take a moment to answer, and for pods that start. */
const calmWithinSeconds = 60;

/** If `verify` still says no after this time, `heal` repairs the rest. Mirrors that follow by themselves are faster. */
const healAfterSeconds = 60;

const backWithinSeconds = 240;

/** One drill, and what it needs. */
export interface Run {
  drill: Drill;
  place: Place;
  state: object;
  seconds: number;
  status: () => Promise<MeshStatus>;
  signal: AbortSignal;
}

/**
 * Runs one drill and restores what it broke, also after an error or a signal.
 *
 * @throws UserError when the mesh has a fault before, or when something cannot be restored
 * @throws Interrupted after a signal
 */
export async function runOne(run: Run): Promise<DrillReport> {
  const { drill, place, signal } = run;
  const names = place.stack.runtime === "kwok" ? [] : namesOf(await run.status(), place.target.name);
  if (names.length === 0) {
    const why = place.stack.runtime === "kwok" ? "pods are simulated" : "no service is mirrored";
    say(`Drill ${drill.id}: ${why}, so no request is sent. The drill shows who notices.`);
  } else say(`Drill ${drill.id}: asking ${names.length} names ten times per second ...`);
  const traffic = await Traffic.start(names, place.clusters, signal);
  try {
    return await measured(run, traffic);
  } finally {
    await traffic.stop().catch((error: unknown) => say(`the client could not be removed: ${reason(error)}`));
  }
}

async function measured(run: Run, traffic: Traffic): Promise<DrillReport> {
  const { drill, place, state, seconds, status, signal } = run;
  const known = new Set((await calm(place, traffic, status, signal)).problems.map(({ what }) => what));
  const scene = new Scene(traffic, place, drill);
  try {
    await record(drill, place, state);
    scene.begin(status, known);
    try {
      await drill.break(place, state);
      await pause(seconds, signal);
    } finally {
      // Also after a signal or an error: what is broken is restored first of all.
      await scene.restore(state);
    }
    const back = await awaitBack(run, traffic, scene);
    return scene.report(back);
  } finally {
    await scene.end();
  }
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, seconds) * 1000, undefined, { signal }).catch(() => {
    throw new Interrupted();
  });
}

/**
 * Waits until `verify` says yes and every name answers. A drill on a mesh with faults would report those. A mesh that was
 * restored just now, after a drill that was interrupted, needs the time until its pods are ready.
 *
 * @throws UserError naming what is wrong
 */
async function calm(
  place: Place,
  traffic: Traffic,
  status: () => Promise<MeshStatus>,
  signal: AbortSignal,
): Promise<MeshStatus> {
  let told = false;
  for (const end = now() + calmWithinSeconds; ; await pause(1, signal)) {
    const [fault] = (await roundWhileBroken(place, signal)).no;
    const unsteady = fault ? [] : traffic.unsteady(calmSeconds);
    if (!fault && unsteady.length === 0) return status();
    const what = fault && `the mesh has a fault before anything is broken: ${fault.id} (${fault.on}): ${fault.why}`;
    if (now() > end) {
      throw new UserError(what ? `${what}. Next: npm run verify -- ${place.stack.name}` : noAnswer(unsteady, place));
    }
    if (what && !told) say(`${what}; waiting ${calmWithinSeconds} s for it ...`);
    told ||= fault !== undefined;
  }
}

/** Waits until all names are steady and `verify` says yes to everything, and lets `heal` repair the rest. */
async function awaitBack({ place, signal }: Run, traffic: Traffic, scene: Scene): Promise<Back> {
  const end = now() + backWithinSeconds;
  let allYesAfter: number | undefined;
  for (let healed = false; ; await pause(2, signal)) {
    const round = await roundAfterwards(place, signal);
    allYesAfter = round.no.length === 0 ? (allYesAfter ?? tenths(now() - scene.restoring)) : undefined;
    const isBack = round.no.length === 0 && traffic.unsteady(steadySeconds).length === 0;
    if (isBack || now() > end) return { round, allYesAfter, healed };
    if (healed || round.no.length === 0 || now() - scene.restoring < healAfterSeconds) continue;
    healed = true;
    scene.hide();
    const { stack, clusters } = place;
    const testNamespaces = new TestNamespaces(Object.values(clusters));
    await heal({ stack, clusters, external: new Set(), testNamespaces, signal }, false);
  }
}
