import { endOf, type PathStep } from "./criticalPath";
import type { Update } from "../stacks/updateEvents";
import type { Place } from "./names";
import type { Operation } from "../stacks/updateEvents";

/** Shorter gaps are not reported, in milliseconds. */
const worthTelling = 500;

/** Steps shorter than this many milliseconds are summed up in one line, because a destroy has dozens. */
const short = 100;

/** Something the update waited for. */
interface Wait {
  what: string;
  /** Milliseconds. */
  length: number;
  /** The steps in it. */
  detail: { label: string; length: number }[];
}

/**
 * Describes what an update waited for: first a summary, then one line per wait in order of time.
 *
 * @example "61.2 s in all, succeeded (230 create). It waited for: 12.0 s KwokCluster west: Command west, then ..."
 */
export function describe(update: Update, path: PathStep[], placeOf: (step: Operation) => Place): string[] {
  const waits = waitsOf(update, path, placeOf);
  const changes = Object.entries(update.changes).map(([op, count]) => `${count} ${op}`);
  const most = [...waits].sort((a, b) => b.length - a.length).slice(0, 3);
  const lines = [
    `${seconds(update.duration)} in all, ${update.result} (${changes.join(", ") || "no resource"}); most of it: ` +
      `${most.map(({ what, length }) => `${seconds(length)} ${what}`).join("; ") || "nothing was begun"}.`,
    "What it waited for, one after the other:",
    ...withoutShort(waits).map(({ what, length, detail }) => {
      const longest = [...detail].sort((a, b) => b.length - a.length).slice(0, 3);
      const parts = longest.map((one) => `${one.label} ${seconds(one.length)}`).join(", ");
      return `  ${seconds(length).padStart(7)}  ${what}${parts ? `: ${parts}` : ""}`;
    }),
  ];
  const unfinished = update.steps.filter(({ custom, end }) => custom && end === undefined);
  if (unfinished.length > 0) {
    const names = unfinished.map((step) => `${placeOf(step).group}: ${placeOf(step).label}`);
    lines.push(`Under way when it broke off: ${names.join(", ")}.`);
  }
  return lines;
}

/** Neighbouring steps of the path that are in the same component are one wait. */
function waitsOf(update: Update, path: PathStep[], placeOf: (step: Operation) => Place): Wait[] {
  const waits: Wait[] = [];
  const push = (what: string, length: number, label?: string) => {
    const last = waits.at(-1);
    const detail = label === undefined ? [] : [{ label, length }];
    if (last?.what === what) {
      last.length += length;
      last.detail.push(...detail);
    } else waits.push({ what, length, detail });
  };
  path.forEach(({ step, ready, registered, endedMeanwhile }, i) => {
    const { stage, label } = placeOf(step);
    const end = Math.min(endOf(step), update.duration);
    if (i === 0) {
      push("the engine and the program to start", step.start);
      push(stage, end - step.start, label);
      return;
    }
    // Shorter gaps are normal between two steps of the engine, and count towards the step itself.
    let from = ready;
    if (registered - from >= worthTelling) {
      push(`${stage} to be registered by the program`, registered - from);
      from = registered;
    }
    if (step.start - from >= worthTelling) {
      push(
        `${stage}'s turn, although it was ready (${endedMeanwhile} other ${endedMeanwhile === 1 ? "resource" : "resources"} ended meanwhile)`,
        step.start - from,
      );
      from = step.start;
    }
    push(stage, end - from, label);
  });
  const last = path.at(-1);
  const rest = last && endOf(last.step) !== Infinity ? update.duration - endOf(last.step) : 0;
  if (rest >= worthTelling) push("the engine and the program to end", rest);
  return waits;
}

function withoutShort(waits: Wait[]): Wait[] {
  const told: Wait[] = [];
  for (const wait of waits) {
    const last = told.at(-1);
    if (wait.length >= short) told.push(wait);
    else if (last?.what === shortSteps) last.length += wait.length;
    else told.push({ what: shortSteps, length: wait.length, detail: [] });
  }
  return told;
}

const shortSteps = "short steps";

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
