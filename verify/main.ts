import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { connectAll, reason, type Cluster } from "./api";
import { ask, type Asked } from "./ask";
import { externalParts, groups, type Check, type ExternalPart } from "./check";
import { damageChecks } from "./damage";
import { heal as mend } from "./heal";
import { healthChecks } from "./health";
import { multiclusterCheck } from "./linkerd";
import { mirrorChecks } from "./mirror";
import { json, junit, row, summary } from "./report";
import { Rooms } from "./sandbox";
import { readStack, UsageError, type Stack } from "./stack";
import { trafficChecks } from "./traffic";
import { validationChecks } from "./validation";
import { Deadline, Interrupted } from "./watch";

/** In the order of the report: what everything else stands on comes first. */
export const checks: readonly Check[] = [
  ...healthChecks,
  ...damageChecks,
  ...mirrorChecks,
  ...trafficChecks,
  ...validationChecks,
];

const usage = `npm run verify -- [stack] [options]   is the mesh of a running stack as it should be?
npm run heal   -- [stack] [options]   wait until the mesh stands, and mend what breaks without anyone noticing

  --stack NAME       the stack (default rehearsal)
  --outputs FILE     its outputs instead of asking Pulumi: pulumi stack output --json --show-secrets; - is standard input
  --deadline SECONDS for every check, instead of its own
verify:
  --only GROUP|ID    only these, repeatable: ${groups.join(", ")}, or an id of the report
  --json FILE        the report as JSON
  --junit FILE       the report as JUnit XML
  --quiet            only what failed, and the summary
  --linkerd          run the user's own "linkerd multicluster check" where the clusters' names resolve, and nothing else
  --external PARTS   parts that a test runs outside, so that simulated pods do not count: ${externalParts.join(",")}
heal:
  --dry-run          show what would be done`;

interface Options {
  stack: string;
  outputs?: string;
  deadlineSeconds?: number;
  only: string[];
  json?: string;
  junit?: string;
  quiet: boolean;
  linkerd: boolean;
  external: Set<ExternalPart>;
  dryRun: boolean;
}

/**
 * Checks the mesh of a running stack and reports.
 *
 * @returns 0 if nothing failed, 1 if something did, 2 if it could not be asked, 130 or 143 when a signal ended it
 * @example await verify(["--stack", "dev", "--only", "traffic", "--junit", "report.xml"])
 */
export const verify = (args: string[]): Promise<number> => command(args, verifyStack);

/**
 * Mends what `verify` finds in its damage group.
 *
 * @returns 0 if nothing is damaged any more, 1 if something is, 2 if it could not be asked
 * @example await heal(["--stack", "dev", "--dry-run"])
 */
export const heal = (args: string[]): Promise<number> => command(args, healStack);

interface Run {
  options: Options;
  stack: Stack;
  clusters: Record<string, Cluster>;
  rooms: Rooms;
  signal: AbortSignal;
}

async function command(args: string[], body: (run: Run) => Promise<number>): Promise<number> {
  if (args.includes("--help")) {
    console.log(usage);
    return 0;
  }
  const stop = new AbortController();
  let exit = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    exit = signal === "SIGINT" ? 130 : 143;
    console.error(`\n${signal}: cleaning up`);
    stop.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const options = parse(args);
    const stack = await readStack(options.stack, options.outputs);
    if (options.linkerd) return await multiclusterCheck(stack);
    const clusters = await connectAll(stack);
    const rooms = new Rooms(Object.values(clusters));
    return await body({ options, stack, clusters, rooms, signal: stop.signal });
  } catch (error) {
    if (error instanceof Interrupted) return exit;
    // A clean-up that failed is told, whatever made it start.
    console.error(error instanceof UsageError ? error.message : reason(error));
    return stop.signal.aborted ? exit : 2;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/**
 * Asks each cluster whether it is there, for every check would say no where one is away.
 *
 * @param patienceSeconds how long one may take that was just started
 */
async function allAnswer({ stack, clusters, signal }: Run, patienceSeconds: number): Promise<void> {
  const deadline = new Deadline(patienceSeconds, signal);
  const answers = Object.values(clusters).map(async ({ name, context, core }) => {
    for (;;) {
      try {
        return await core.readNamespace({ name: "default" });
      } catch (error) {
        if (deadline.leftMs() === 0) {
          const next = `npm start -- ${stack.name}, which starts a stopped one`;
          throw new UsageError(`cluster ${name} (${context}) does not answer: ${reason(error)}. Next: ${next}`);
        }
      }
      await deadline.pause();
    }
  });
  await Promise.all(answers);
}

async function verifyStack(run: Run): Promise<number> {
  await allAnswer(run, 0);
  const { options, stack, clusters, rooms, signal } = run;
  const start = performance.now();
  const asked: Asked[] = [];
  const tell = (one: Asked): void => {
    asked.push(one);
    if (!options.quiet || one.result.answer === "no") console.log(row(one.result));
  };
  const { external, deadlineSeconds } = options;
  let left: string[];
  try {
    for (const swept of await rooms.sweep()) console.log(`removed what a killed run left behind: ${swept}`);
    await ask(select(options.only), { stack, clusters, external, rooms, signal, deadlineSeconds, tell });
  } finally {
    left = await rooms.close();
    for (const name of left) console.error(`could not remove ${name}: delete it by hand`);
  }
  const seconds = (performance.now() - start) / 1000;
  const results = inOrder(asked).map(({ result }) => result);
  console.log(summary(results, seconds));
  if (options.json) await writeFile(options.json, json(stack.name, results, seconds));
  if (options.junit) await writeFile(options.junit, junit(stack.name, results));
  return left.length > 0 || results.some(({ answer }) => answer === "no") ? 1 : 0;
}

async function healStack(run: Run): Promise<number> {
  const { options, stack, clusters, rooms, signal } = run;
  await allAnswer(run, 60);
  const { external, deadlineSeconds, dryRun } = options;
  return mend({ stack, clusters, external, rooms, signal, deadlineSeconds }, dryRun);
}

/** Files are read by people who compare runs: checks in their order, whoever was faster. */
function inOrder(asked: readonly Asked[]): Asked[] {
  const place = new Map(checks.map(({ id }, i) => [id, i]));
  return [...asked].sort(
    (a, b) => (place.get(a.result.id) ?? 0) - (place.get(b.result.id) ?? 0) || a.result.on.localeCompare(b.result.on),
  );
}

function select(only: readonly string[]): readonly Check[] {
  return only.length === 0 ? checks : checks.filter(({ id, group }) => only.includes(id) || only.includes(group));
}

function parse(args: string[]): Options {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        stack: { type: "string", default: "rehearsal" },
        outputs: { type: "string" },
        deadline: { type: "string" },
        only: { type: "string", multiple: true, default: [] },
        json: { type: "string" },
        junit: { type: "string" },
        quiet: { type: "boolean", default: false },
        linkerd: { type: "boolean", default: false },
        external: { type: "string", multiple: true, default: [] },
        "dry-run": { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${reason(error)}\n\n${usage}`);
  }
  const { stack, outputs, quiet, linkerd } = values;
  const known = [...groups, ...checks.map(({ id }) => id)];
  const only = list("only", values.only, known);
  const external = new Set(list("external", values.external, externalParts));
  return {
    stack,
    outputs,
    quiet,
    linkerd,
    only,
    external,
    json: values.json,
    junit: values.junit,
    dryRun: values["dry-run"],
    deadlineSeconds: values.deadline === undefined ? undefined : seconds(values.deadline),
  };
}

/** Repeated or separated by commas. */
function list<T extends string>(flag: string, given: readonly string[], allowed: readonly T[]): T[] {
  return given
    .flatMap((value) => value.split(","))
    .map((value) => {
      const match = allowed.find((one) => one === value);
      if (match === undefined) throw new UsageError(`--${flag} ${value}: allowed are ${allowed.join(", ")}`);
      return match;
    });
}

function seconds(value: string): number {
  const number = Number(value);
  if (!(number > 0 && number <= 3600)) throw new UsageError(`--deadline ${value}: allowed are seconds from 1 to 3600`);
  return number;
}
