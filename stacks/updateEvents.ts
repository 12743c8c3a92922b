import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../lib/run";

/** One operation of the engine on one resource. Times are milliseconds since the update's first event. */
export interface Operation {
  urn: string;
  /** Example: `create`, `same`, `update`, `delete`, `delete-replaced` */
  op: string;
  /** False for components, which are only recorded. */
  custom: boolean;
  parent: string;
  /** URN of the provider, "" for components and providers. */
  provider: string;
  start: number;
  /** Absent when the update ended before the operation. */
  end?: number;
  failed: boolean;
}

/** One update, from the engine's events. */
export interface Update {
  steps: Operation[];
  /** Milliseconds from the first event to the last. */
  duration: number;
  result: "succeeded" | "failed" | "interrupted";
  /** How many resources each operation did. Example: `{ create: 230 }` */
  changes: Record<string, number>;
}

interface State {
  custom?: boolean;
  parent?: string;
}

interface RecordedStep {
  op: string;
  urn: string;
  provider?: string;
  old?: State | null;
  new?: State | null;
}

/**
 * The events that show a start or an end:
 * https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#EngineEvent
 */
interface RecordedEvent {
  /** Milliseconds since 1970, added by stacks/eventLog.ts. The engine's own timestamp is in seconds. */
  received?: number;
  timestamp: number;
  resourcePreEvent?: { metadata: RecordedStep };
  resOutputsEvent?: { metadata: RecordedStep };
  resOpFailedEvent?: { metadata: RecordedStep };
  summaryEvent?: { result?: string; resourceChanges?: Record<string, number> };
}

/**
 * Reads an event log: one engine event per line, in order of arrival.
 *
 * @throws Error when it contains no event
 */
export function readUpdate(log: string): Update {
  // A killed writer may leave half a line at the end.
  const lines = log.split("\n").slice(0, -1);
  const events = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as RecordedEvent);
  const time = (event: RecordedEvent) => event.received ?? event.timestamp * 1000;
  const [first, last] = [events[0], events.at(-1)];
  if (!first || !last) throw new Error("the event log contains no event");
  const began = time(first);

  const steps: Operation[] = [];
  const open = new Map<string, Operation>();
  for (const event of events) {
    const pre = event.resourcePreEvent?.metadata;
    if (pre) {
      const step = newStep(pre, time(event) - began);
      steps.push(step);
      open.set(key(pre), step);
    }
    const ended = event.resOutputsEvent?.metadata ?? event.resOpFailedEvent?.metadata;
    const step = ended && open.get(key(ended));
    if (step) {
      step.end = time(event) - began;
      step.failed = event.resOpFailedEvent !== undefined;
      open.delete(key(ended));
    }
  }
  const summary = events
    .map((event) => event.summaryEvent)
    .filter((one) => one !== undefined)
    .at(-1);
  return {
    steps,
    duration: time(last) - began,
    result: !summary ? "interrupted" : summary.result === "failed" ? "failed" : "succeeded",
    changes: summary?.resourceChanges ?? countOf(steps),
  };
}

function newStep({ op, urn, provider, ...states }: RecordedStep, start: number): Operation {
  const state = states.new ?? states.old;
  return {
    urn,
    op,
    custom: state?.custom ?? false,
    parent: state?.parent ?? "",
    // Format: `<urn>::<id>`. A URN contains three `::`.
    provider: (provider ?? "").split("::").slice(0, 4).join("::"),
    start,
    failed: false,
  };
}

/** Includes the operation, because a replacement has several steps with one URN. */
function key({ urn, op }: RecordedStep): string {
  return `${op} ${urn}`;
}

function countOf(steps: Operation[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op, end } of steps) if (end !== undefined) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

/** @throws UserError when no update of the stack was recorded */
export function lastLog(directory: string, stack: string): string {
  // Matches the time too, because one stack's name may begin with another's.
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
  const last = names
    .filter(
      (name) => name.startsWith(`${stack}-`) && /^\d{4}-\d\d-\d\dT[\d-]+Z\.json$/.test(name.slice(stack.length + 1)),
    )
    .sort()
    .at(-1);
  if (!last) {
    throw new UserError(
      `stack ${stack} has no recorded update: npm start and npm stop record one. Next: npm start -- ${stack}`,
    );
  }
  return path.join(directory, last);
}
