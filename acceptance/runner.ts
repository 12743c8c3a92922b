/** How a step ended. `skipped`: a step that it needs did not pass. `not run`: this machine lacks a tool for it. */
export type Result = "passed" | "failed" | "skipped" | "not run";

/** Measurements and counts of a step. Example: `{ resources: 212 }` */
export type Figures = Record<string, unknown>;

/** One step of the life cycle. */
export interface Step<Context> {
  /** The value for `--only` and `--skip`. */
  id: string;
  title: string;
  /** The assertion that must hold for the step to pass. */
  asserts: string;
  /** Ids of steps that must have passed. Steps that were not chosen do not count. */
  needs: string[];
  /** Clears up: runs even after a failure or an interruption. */
  cleanup?: true;
  /**
   * @param figures filled while it runs, so that a failed step reports what it has measured
   * @throws StepFailed, NotRun, or any other error
   */
  run(context: Context, figures: Figures): Promise<void>;
}

/** One step in the report. */
export interface Outcome {
  id: string;
  title: string;
  asserts: string;
  result: Result;
  seconds: number;
  /** Why it did not pass. */
  why?: string;
  figures: Figures;
}

/** The step's assertion does not hold. */
export class StepFailed extends Error {}

/** This machine lacks what the step needs. */
export class NotRun extends Error {}

/**
 * Runs the steps one after the other, each timed. A step that did not pass skips those that need it.
 *
 * @param signal after it is aborted, only cleanup steps run
 * @param began called before a step runs
 * @param ended called when its outcome is known
 */
export async function runSteps<Context>(
  steps: readonly Step<Context>[],
  context: Context,
  signal: AbortSignal,
  began: (step: Step<Context>) => void,
  ended: (outcome: Outcome) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    const skip = whySkip(step, outcomes, signal);
    let outcome: Outcome;
    if (skip === undefined) {
      began(step);
      outcome = await runStep(step, context, signal);
    } else {
      outcome = { ...words(step), result: "skipped", seconds: 0, why: skip, figures: {} };
    }
    outcomes.push(outcome);
    ended(outcome);
  }
  return outcomes;
}

function whySkip(
  { needs, cleanup }: Step<never>,
  outcomes: readonly Outcome[],
  signal: AbortSignal,
): string | undefined {
  if (signal.aborted && !cleanup) return "the run was interrupted";
  const missed = outcomes.find(({ id, result }) => needs.includes(id) && result !== "passed");
  return missed && `it needs step ${missed.id}, which ${missed.result === "failed" ? "failed" : "did not run"}`;
}

async function runStep<Context>(step: Step<Context>, context: Context, signal: AbortSignal): Promise<Outcome> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const figures: Figures = {};
  try {
    await step.run(context, figures);
    return { ...words(step), result: "passed", seconds: seconds(), figures };
  } catch (error) {
    const result = error instanceof NotRun ? "not run" : "failed";
    const interrupted = signal.aborted && !step.cleanup;
    const why = interrupted ? "the run was interrupted" : error instanceof Error ? error.message : String(error);
    return { ...words(step), result, seconds: seconds(), why, figures };
  }
}

function words({ id, title, asserts }: Step<never>): Pick<Outcome, "id" | "title" | "asserts"> {
  return { id, title, asserts };
}

/** The run as a whole. `incomplete`: nothing failed, but a step could not run on this machine. */
export type Verdict = "passed" | "failed" | "incomplete";

export function verdict(outcomes: readonly Outcome[]): Verdict {
  const has = (result: Result) => outcomes.some((outcome) => outcome.result === result);
  if (has("failed")) return "failed";
  return has("not run") || has("skipped") ? "incomplete" : "passed";
}
