import type { Step, Update } from "./events";
import type { Graph } from "./graph";

/** A step of the path. Milliseconds. */
export interface PathStep {
  step: Step;
  /** When the last of what it depends on ended; 0 for the first step. */
  ready: number;
  /** When its component was registered, if that was later: the program waits until all that it depends on is there. */
  registered: number;
  /** How many other resources ended between ready and its start: what the engine was busy with. */
  endedMeanwhile: number;
}

/** An end that is told this much later than the start it allowed still counts: events are sent side by side. */
const slack = 100;

/**
 * The steps that followed one another from the update's begin to its last end: each begins after the last of those that it
 * depends on. Shortening anything else would not have made the update shorter.
 *
 * Deletes need no graph: the engine does them in waves, each one when all of the wave before have ended
 * (pulumi, deployment_executor.go).
 */
export function criticalPath(update: Update, graph: Graph): PathStep[] {
  const path: PathStep[] = [];
  const neighbours = neighboursOf(update.steps, graph);
  const done = update.steps.filter(({ custom }) => custom);
  let step = latest(done, Infinity);
  const seen = new Set<Step>();
  while (step) {
    seen.add(step);
    const { start, parent } = step;
    const earlier = neighbours(step).filter((other) => !seen.has(other) && other.start <= start);
    const before = latest(earlier, start + slack);
    const ready = Math.min(before ? endOf(before) : 0, start);
    const component = update.steps.find(({ urn }) => urn === parent);
    const registered = component && !component.custom ? Math.min(Math.max(component.start, ready), start) : ready;
    const others = done.filter((other) => other !== step && endOf(other) > ready && endOf(other) <= start);
    path.unshift({ step, ready, registered, endedMeanwhile: others.length });
    step = before;
  }
  return path;
}

export function endOf({ end }: Step): number {
  return end ?? Infinity;
}

function latest(steps: Step[], before: number): Step | undefined {
  let found: Step | undefined;
  for (const step of steps) {
    // What was under way when the update broke off ended nothing, but is what it was at.
    const end = endOf(step);
    if (end <= before && (!found || end > endOf(found))) found = step;
  }
  return found;
}

/** For each step, those that can have held it up. */
function neighboursOf(steps: Step[], { needs, parents }: Graph): (step: Step) => Step[] {
  const byUrn = new Map<string, Step[]>();
  for (const step of steps) add(byUrn, step.urn, step);
  const children = new Map<string, string[]>();
  for (const [child, parent] of parents) add(children, parent, child);
  const deletes = steps.filter((step) => step.custom && isDelete(step));

  /** Who depends on a component depends on all in it. */
  const within = (urn: string): string[] => [urn, ...(children.get(urn) ?? []).flatMap(within)];
  const needed = (urn: string): string[] => {
    const ancestors = new Set<string>();
    for (let one = parents.get(urn); one; one = parents.get(one)) ancestors.add(one);
    return [...(needs.get(urn) ?? [])].flatMap((one) => (ancestors.has(one) ? [one] : within(one)));
  };
  /** Goes on through components, which do nothing themselves, and through what this update did not touch. */
  const neededSteps = (from: string): Step[] => {
    const found: Step[] = [];
    const seen = new Set([from]);
    const queue = needed(from);
    for (let urn = queue.pop(); urn !== undefined; urn = queue.pop()) {
      if (seen.has(urn)) continue;
      seen.add(urn);
      const own = (byUrn.get(urn) ?? []).filter((step) => step.custom && !isDelete(step));
      if (own.length > 0) found.push(...own);
      else queue.push(...needed(urn));
    }
    return found;
  };

  return (step) => {
    const others = (byUrn.get(step.urn) ?? []).filter((other) => other !== step);
    return [...others, ...(isDelete(step) ? deletes.filter((other) => other !== step) : neededSteps(step.urn))];
  };
}

function add<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function isDelete({ op }: Step): boolean {
  return op.startsWith("delete") || op.startsWith("discard");
}
