import { ask, type Asked, type Asking } from "./ask";
import { reason } from "./api";
import type { Mend } from "./check";
import { damageChecks } from "./damage";
import { standing } from "./health";
import { row } from "./report";
import { Deadline } from "./watch";

/** For one mend, and for what it mends to be seen: a controller's restart takes 7 to 11 s, a drained pod 30 s. */
const mendSeconds = 120;

/** For what comes back by itself: k3d's nodes take half a minute after Docker, their pods as long again. */
const standSeconds = 180;

/** A second apart. What the API server says right after its start is what was true before it. */
const steadyLooks = 5;

/**
 * Waits until the mesh stands, then looks for damage, shows what it will do, does it, and looks again. Only pods are
 * deleted, which Pulumi does not own, and mirrors that nothing stands behind: a preview afterwards shows no change, and
 * what is healthy is not touched.
 *
 * @returns 0 when all stands and nothing is damaged any more, 1 otherwise, also where `dryRun` left the damage
 */
export async function heal(asking: Omit<Asking, "tell">, dryRun: boolean): Promise<number> {
  const tell: Asking["tell"] = ({ result }) => {
    if (result.answer === "no") console.log(row(result));
  };
  try {
    // Half of a mesh that is starting looks damaged, and would be mended for nothing.
    const fallen = await awaitStanding(asking);
    fallen.forEach(tell);
    const mended = await mendDamage(asking, tell, dryRun);
    return mended && fallen.length === 0 ? 0 : 1;
  } finally {
    for (const name of await asking.rooms.close()) console.error(`could not remove ${name}: delete it by hand`);
  }
}

/** Asks until all has stood for a while; what does not in time is returned. */
async function awaitStanding(asking: Omit<Asking, "tell">): Promise<Asked[]> {
  const deadline = new Deadline(asking.deadlineSeconds ?? standSeconds, asking.signal);
  let said = false;
  for (let looks = 0; ; looks++) {
    const fallen = (await ask(standing, { ...asking, tell: () => {} })).filter(({ result }) => result.answer === "no");
    if (fallen.length > 0) {
      const on = [...new Set(fallen.map(({ result }) => result.on))].join(", ");
      if (!said) console.log(`Waiting up to ${deadline.seconds} s for what is starting: ${on}`);
      [said, looks] = [true, 0];
    }
    if (deadline.leftMs() === 0 || looks === steadyLooks) return fallen;
    await deadline.pause();
  }
}

/** @returns whether nothing is damaged any more */
async function mendDamage(asking: Omit<Asking, "tell">, tell: Asking["tell"], dryRun: boolean): Promise<boolean> {
  const found = await ask(damageChecks, { ...asking, tell });
  const damaged = found.filter(({ result }) => result.answer === "no");
  const unasked = new Set(
    found.filter(({ result }) => result.answer === "not applicable").map(({ result }) => result.why),
  );
  for (const why of unasked) console.log(`not looked at: ${why}`);
  if (damaged.length === 0) {
    console.log("Nothing is damaged: nothing was done.");
    return true;
  }
  const mends = distinct(damaged.flatMap((asked) => asked.mends));
  console.log(`\n${dryRun ? "Would do" : "Will do"}:`);
  for (const { does } of mends) console.log(`  ${does}`);
  for (const { result } of damaged.filter((asked) => asked.mends.length === 0))
    console.log(`  nothing for ${result.id}: ${result.next}`);
  if (dryRun) return false;

  for (const mend of mends) {
    try {
      await mend.run(new Deadline(mendSeconds, asking.signal));
      console.log(`done: ${mend.does}`);
    } catch (error) {
      if (asking.signal.aborted) throw error;
      console.log(`failed: ${mend.does}: ${reason(error)}`);
    }
  }
  // Only what was damaged is looked at again, and given the time a restarted controller needs.
  const ids = new Set(damaged.map(({ result }) => result.id));
  const again = await ask(
    damageChecks.filter(({ id }) => ids.has(id)),
    { ...asking, tell, deadlineSeconds: asking.deadlineSeconds ?? mendSeconds },
  );
  const left = again.filter(({ result }) => result.answer === "no").length;
  console.log(left === 0 ? "Healed." : `${left} still damaged: each names its next command above.`);
  return left === 0;
}

function distinct(mends: readonly Mend[]): Mend[] {
  return [...new Map(mends.map((mend) => [mend.key, mend])).values()];
}
