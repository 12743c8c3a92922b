import { painter } from "../lib/terminal";
import { ask, type Asked, type Asking } from "./ask";
import { reason } from "./api";
import type { Repair } from "./check";
import { damageChecks } from "./damage";
import { standing } from "./health";
import { table } from "./report";
import { Deadline } from "./watch";

/** For one repair and its effect: a controller's restart takes 7 to 11 s, a drained pod 30 s. */
const repairSeconds = 120;

/** For parts that come back by themselves: k3d's nodes take half a minute after Docker, their pods as long again. */
const standSeconds = 180;

/** One second apart. Right after its start, an API server still reports the state before the start. */
const steadyLooks = 5;

/**
 * Waits until the mesh is up, looks for faults, shows the repairs, runs them, and looks again. Repairs delete only
 * pods, and mirrors with nothing behind them. Pulumi owns neither, so a preview afterwards shows no change. Healthy
 * parts are left alone.
 *
 * @returns 0 if the mesh is up and no fault is left, 1 otherwise, also if `dryRun` left a fault
 */
export async function heal(asking: Omit<Asking, "tell">, dryRun: boolean): Promise<number> {
  const silently: Asking = { ...asking, tell: () => {} };
  try {
    // A mesh that is starting looks faulty, and would be repaired for nothing.
    const fallen = await awaitStanding(silently);
    printAll(fallen);
    const repaired = await repairFaults(silently, dryRun);
    return repaired && fallen.length === 0 ? 0 : 1;
  } finally {
    for (const name of await asking.testNamespaces.close()) {
      console.error(`could not remove ${name}: delete it by hand`);
    }
  }
}

/** Asks until everything has been up for a while. Returns the checks that still fail at the deadline. */
async function awaitStanding(asking: Asking): Promise<Asked[]> {
  const deadline = new Deadline(asking.deadlineSeconds ?? standSeconds, asking.signal);
  let said = false;
  for (let looks = 0; ; looks++) {
    const fallen = failures(await ask(standing, asking));
    if (fallen.length > 0) {
      const on = [...new Set(fallen.map(({ result }) => result.on))].join(", ");
      if (!said) console.log(`Waiting up to ${deadline.seconds} s until these are up: ${on}`);
      [said, looks] = [true, 0];
    }
    if (deadline.leftMs() === 0 || looks === steadyLooks) return fallen;
    await deadline.pause();
  }
}

/** @returns whether no fault is left */
async function repairFaults(asking: Asking, dryRun: boolean): Promise<boolean> {
  const found = await ask(damageChecks, asking);
  const damaged = failures(found);
  printAll(damaged);
  const unasked = new Set(
    found.filter(({ result }) => result.answer === "not applicable").map(({ result }) => result.why),
  );
  for (const why of unasked) console.log(`not looked at: ${why}`);
  if (damaged.length === 0) {
    console.log("No fault was found: nothing was done.");
    return true;
  }
  const repairs = distinct(damaged.flatMap((asked) => asked.repairs));
  console.log(`\n${dryRun ? "Would do" : "Will do"}:`);
  for (const { does } of repairs) console.log(`  ${does}`);
  for (const { result } of damaged.filter((asked) => asked.repairs.length === 0))
    console.log(`  no repair for ${result.id}. Next: ${result.next}`);
  if (dryRun) return false;

  for (const repair of repairs) {
    try {
      await repair.run(new Deadline(repairSeconds, asking.signal));
      console.log(`done: ${repair.does}`);
    } catch (error) {
      if (asking.signal.aborted) throw error;
      console.log(`failed: ${repair.does}: ${reason(error)}`);
    }
  }
  // Only the checks that failed are asked again, with the time that a restarted controller needs.
  const ids = new Set(damaged.map(({ result }) => result.id));
  const again = await ask(
    damageChecks.filter(({ id }) => ids.has(id)),
    { ...asking, deadlineSeconds: asking.deadlineSeconds ?? repairSeconds },
  );
  const left = failures(again);
  printAll(left);
  console.log(
    left.length === 0 ? "All faults are repaired." : `${left.length} still failing: each names its next command above.`,
  );
  return left.length === 0;
}

function failures(asked: readonly Asked[]): Asked[] {
  return asked.filter(({ result }) => result.answer === "no");
}

function printAll(asked: readonly Asked[]): void {
  const results = asked.map(({ result }) => result);
  if (results.length > 0) console.log(table(results, painter(process.stdout)));
}

function distinct(repairs: readonly Repair[]): Repair[] {
  return [...new Map(repairs.map((repair) => [repair.key, repair])).values()];
}
