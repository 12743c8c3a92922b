import * as fs from "node:fs/promises";
import * as path from "node:path";
import { stateDirectory } from "../lib/paths";
import { say, UserError } from "../lib/run";
import { painter } from "../lib/terminal";
import { withoutUpdates } from "../stacks/lock";
import { follow } from "../status/follow";
import type { MeshStatus } from "../status/model";
import { connectAll, type ClusterClient } from "../verify/api";
import { Interrupted } from "../verify/watch";
import { readStack, type LinkName, type Stack } from "../verify/stack";
import type { DrillArguments } from "./arguments";
import { chart } from "./chart";
import type { Place } from "./drill";
import { drillOf } from "./drills";
import { alone, restoreLeft } from "./record";
import { drillText, isWhole, json, summaryTable, type DrillReport, type NotRun } from "./report";
import { runOne } from "./runOne";

/**
 * Breaks things one after the other, and restores each.
 *
 * @returns 0 if everything came back, 1 if something did not, 130 or 143 when a signal ended it after the restoration
 * @throws UserError when a drill is refused; then nothing is broken
 */
export async function drill(told: DrillArguments): Promise<number> {
  const stack = await readStack(told.stack);
  refuseExisting(stack, told);
  const clusters = await connectAll(stack);
  const stop = new AbortController();
  let exit = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    exit = signal === "SIGINT" ? 130 : 143;
    if (!stop.signal.aborted) say(`\n${signal}: restoring, please wait ...`);
    stop.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await alone(stack.name, async () => {
      await restoreLeft(stack);
      return withoutUpdates(stack.name, commandOf(stack.name, told), () => runAll(told, stack, clusters, stop.signal));
    });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    return exit;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Example: `npm run drill -- gateway dev` */
function commandOf(stack: string, { chosen }: Pick<DrillArguments, "chosen">): string {
  return `npm run drill -- ${chosen.length === 1 ? chosen[0] : "--all"} ${stack}`;
}

/** @throws UserError for clusters of the user's own, unless the flag is given */
export function refuseExisting({ name, runtime }: Pick<Stack, "name" | "runtime">, told: DrillArguments): void {
  if (runtime !== "existing" || told.breakExisting) return;
  throw new UserError(
    `stack ${name} runs in clusters of yours, and a drill breaks them on purpose; nothing was done. ` +
      `Next: ${commandOf(name, told)} --break-existing, if nobody needs them now`,
  );
}

async function runAll(
  told: DrillArguments,
  stack: Stack,
  clusters: Record<string, ClusterClient>,
  signal: AbortSignal,
): Promise<number> {
  const status = await follow(stack);
  const before = await status();
  const link = chooseLink(stack, before, told);
  const [source, target] = [clusters[link.source], clusters[link.target]];
  if (!source || !target) throw new Error(`link ${link.source}->${link.target} names a cluster that the stack lacks`);
  const place: Place = { stack, clusters, source, target };
  const paint = painter(process.stdout);
  const reports: (DrillReport | NotRun)[] = [];
  for (const id of told.chosen) {
    const one = drillOf(id);
    let state: object;
    try {
      state = await one.prepare(place);
    } catch (error) {
      if (told.chosen.length === 1 || !(error instanceof UserError)) throw error;
      reports.push({ drill: id, why: error.message.replace(/\. Next: .*$/s, "") });
      continue;
    }
    const report = await runOne({ drill: one, place, state, seconds: told.seconds, status, signal });
    console.log(drillText(report, paint));
    reports.push(report);
    if (!isWhole(report)) break;
  }
  if (told.chosen.length > 1)
    console.log(`\n${summaryTable(reports, paint)}\nThe last columns count from the beginning of the restoration.`);
  await writeReports(told, stack.name, reports);
  return reports.every((report) => "why" in report || isWhole(report)) ? 0 : 1;
}

async function writeReports(
  { json: jsonFile, chart: chartFile, chosen }: DrillArguments,
  stack: string,
  reports: readonly (DrillReport | NotRun)[],
): Promise<void> {
  const inState = (ending: string) => (chosen.length > 1 ? path.join(stateDirectory, "drills", `${stack}-report.${ending}`) : undefined); // prettier-ignore
  const files: [string | undefined, string][] = [
    [jsonFile ?? inState("json"), json(stack, reports)],
    [chartFile ?? inState("svg"), chart(reports.filter((report): report is DrillReport => !("why" in report)))],
  ];
  for (const [file, text] of files) {
    if (file === undefined) continue;
    await fs.writeFile(file, text);
    say(`wrote ${path.relative(process.cwd(), file)}`);
  }
}

/**
 * The link to drill: the one that the command line names, or the one with the most mirrors.
 *
 * @throws UserError when there is no such link
 */
export function chooseLink(
  { name, links }: Pick<Stack, "name" | "links">,
  status: MeshStatus,
  { source, target }: Pick<DrillArguments, "source" | "target">,
): LinkName {
  const mirrors = (link: LinkName) =>
    status.services
      .filter(({ cluster }) => cluster === link.target)
      .flatMap((service) => service.mirrors)
      .filter((mirror) => mirror.source === link.source && mirror.state !== "skipped").length;
  const fitting = links.filter((link) => (source ?? link.source) === link.source && (target ?? link.target) === link.target); // prettier-ignore
  const [first] = [...fitting].sort((a, b) => mirrors(b) - mirrors(a));
  if (first) return first;
  const allowed = links.map((link) => `${link.source}->${link.target}`).join(", ") || "none";
  throw new UserError(
    `stack ${name} has no link ${source ?? "any cluster"}->${target ?? "any cluster"}; allowed: ${allowed}. ` +
      "Next: npm run drill -- --help",
  );
}
