import type { Operation, Update } from "../stacks/updateEvents";
import type { Graph } from "./graph";

/** A step of the path. Milliseconds. */
export interface PathStep {
  step: Operation;
  /** When the last of its dependencies ended; 0 for the first step. */
  ready: number;
  /** When its component was registered, if that was later: the program waits for the component's dependencies. */
  registered: number;
  /** How many other resources ended between `ready` and the step's start, while the engine was busy with them. */
  endedMeanwhile: number;
}

/** The engine sends events side by side, so an end may arrive this much later than the start that it allowed. */
const slack = 100;

/**
 * The chain of steps from the update's start to its end. Each step begins after the last of its dependencies has ended.
 * Shortening any other step would not have made the update shorter.
 *
 * Deletes need no graph: the engine does them in waves, and each wave starts when the previous one has ended
 * (pulumi, deployment_executor.go).
 */
export function criticalPath(update: Update, graph: Graph): PathStep[] {
  const path: PathStep[] = [];
  const neighbours = neighboursOf(update.steps, graph);
  const done = update.steps.filter(({ custom }) => custom);
  let step = latest(done, Infinity);
  const seen = new Set<Operation>();
  while (step) {
    seen.add(step);
    const { start, parent } = step;
    const earlier = neighbours(step).filter((other) => !seen.has(other) && other.start <= start);
    // Deletes that belong to no replacement begin when everything else has ended.
    const rest = step.op === "delete" ? done.filter((other) => !seen.has(other) && other.start <= start) : [];
    const before = latest(earlier, start + slack) ?? latest(rest, start + slack);
    const ready = Math.min(before ? endOf(before) : 0, start);
    const component = update.steps.find(({ urn }) => urn === parent);
    const registered = component && !component.custom ? Math.min(Math.max(component.start, ready), start) : ready;
    const others = done.filter((other) => other !== step && endOf(other) > ready && endOf(other) <= start);
    path.unshift({ step, ready, registered, endedMeanwhile: others.length });
    step = before;
  }
  return path;
}

export function endOf({ end }: Operation): number {
  return end ?? Infinity;
}

function latest(steps: Operation[], before: number): Operation | undefined {
  let found: Operation | undefined;
  for (const step of steps) {
    // A step that was interrupted has no end. It counts as the last one, because the update was waiting for it.
    const end = endOf(step);
    if (end <= before && (!found || end > endOf(found))) found = step;
  }
  return found;
}

/** For each step, returns the steps that may have delayed it. */
function neighboursOf(steps: Operation[], { needs, parents }: Graph): (step: Operation) => Operation[] {
  const byUrn = new Map<string, Operation[]>();
  for (const step of steps) add(byUrn, step.urn, step);
  const children = new Map<string, string[]>();
  for (const [child, parent] of parents) add(children, parent, child);
  const deletes = steps.filter((step) => step.custom && isDelete(step));

  /** A dependency on a component is a dependency on everything in it. */
  const within = (urn: string): string[] => [urn, ...(children.get(urn) ?? []).flatMap(within)];
  const needed = (urn: string): string[] => {
    const ancestors = new Set<string>();
    for (let one = parents.get(urn); one; one = parents.get(one)) ancestors.add(one);
    return [...(needs.get(urn) ?? [])].flatMap((one) => (ancestors.has(one) ? [one] : within(one)));
  };
  /** Looks through components and untouched resources, which have no steps of their own, to their dependencies. */
  const neededSteps = (from: string): Operation[] => {
    const found: Operation[] = [];
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

function isDelete({ op }: Operation): boolean {
  return op.startsWith("delete") || op.startsWith("discard");
}
