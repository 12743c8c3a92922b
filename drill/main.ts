import * as fs from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stateDirectory } from "../lib/paths";
import { say, UserError } from "../lib/run";
import { painter } from "../lib/terminal";
import { withoutUpdates } from "../stacks/lock";
import { follow } from "../status/follow";
import type { MeshStatus } from "../status/model";
import { failureOf } from "../traffic/requests";
import { connectAll, reason, type ClusterClient } from "../verify/api";
import { heal } from "../verify/heal";
import { TestNamespaces } from "../verify/testNamespaces";
import { Interrupted } from "../verify/watch";
import { readStack, type LinkName, type Stack } from "../verify/stack";
import type { DrillArguments } from "./arguments";
import { chart } from "./chart";
import type { Drill, Place } from "./drill";
import { drillOf } from "./drills";
import { Live, picture } from "./live";
import { alone, forget, record, restoreLeft } from "./record";
import {
  drillText,
  isWhole,
  json,
  nameReports,
  shortened,
  shownNotices,
  summaryTable,
  type DrillReport,
  type NotRun,
} from "./report";
import { namesOf, Traffic } from "./traffic";
import { roundAfterwards, roundWhileBroken, Watchers, type Answers } from "./watchers";

/** Every name must answer this long before something is broken, in seconds. */
const calmSeconds = 5;

/** For the first client, whose names take a moment to answer. */
const calmWithinSeconds = 60;

/** The mesh is back after this long without a failure. Headless names were seen to fail half a minute after a start. */
const steadySeconds = 30;

/** If `verify` still says no after this time, `heal` repairs the rest. Mirrors that follow by themselves are faster. */
const healAfterSeconds = 60;

const backWithinSeconds = 240;

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
      const doing = told.chosen.length === 1 ? `drill ${told.chosen[0]}` : "drills";
      return withoutUpdates(stack.name, doing, () => runAll(told, stack, clusters, stop.signal));
    });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    return exit;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** @throws UserError for clusters of the user's own, unless the flag is given */
export function refuseExisting({ name, runtime }: Pick<Stack, "name" | "runtime">, told: DrillArguments): void {
  if (runtime !== "existing" || told.breakExisting) return;
  const which = told.chosen.length === 1 ? `${told.chosen[0]} ${name}` : `--all ${name}`;
  throw new UserError(
    `stack ${name} runs in clusters of yours, and a drill breaks them on purpose; nothing was done. ` +
      `Next: npm run drill -- ${which} --break-existing, if nobody needs them now`,
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

interface Run {
  drill: Drill;
  place: Place;
  state: object;
  seconds: number;
  status: () => Promise<MeshStatus>;
  signal: AbortSignal;
}

async function runOne(run: Run): Promise<DrillReport> {
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

/** What is seen of one drill while it runs. */
class Scene {
  private readonly live: Live;
  private doing = "";
  private broken = now();
  private restored = 0;
  private watchers: Watchers | undefined;
  private failures: FailureLines | undefined;
  /** When the restoration began, in seconds since 1970. */
  restoring = 0;

  constructor(
    private readonly traffic: Traffic,
    private readonly place: Place,
    private readonly drill: Drill,
  ) {
    const phase = () => `  ${(now() - this.broken).toFixed(0).padStart(3)} s: ${this.doing}`;
    this.live = new Live(process.stderr, () => [phase(), ...picture(traffic, now(), painter(process.stderr))]);
  }

  tell(text: string): void {
    this.live.line(`${(now() - this.broken).toFixed(1).padStart(6)} s  ${text}`);
  }

  /** Call it right before the break. */
  begin(status: () => Promise<MeshStatus>, known: ReadonlySet<string>): void {
    this.broken = now();
    this.doing = this.drill.breaks(this.place);
    this.tell(`broken: ${this.doing}`);
    this.failures = new FailureLines(this.traffic, this.broken, (text) => this.tell(text));
    this.watchers = new Watchers(this.place, status, known, (notice) => {
      const of = (this.watchers?.notices ?? []).filter(({ by }) => by === notice.by);
      if (of.length <= shownNotices) this.tell(`${notice.by} noticed: ${shortened(notice.what)}`);
      else if (of.length === shownNotices + 1) this.tell(`${notice.by} notices more ...`);
    });
  }

  /** @throws UserError when it cannot be restored; the record stays */
  async restore(state: object): Promise<void> {
    const { stack } = this.place;
    this.restoring = now();
    this.doing = "restoring";
    this.tell("restoring ...");
    this.watchers?.close();
    try {
      await this.drill.restore(this.place, state);
    } catch (error) {
      throw new UserError(
        `what drill ${this.drill.id} broke is not restored: ${reason(error)}. Next: npm run heal -- ${stack.name}`,
        { cause: error },
      );
    }
    await forget(stack.name);
    this.restored = now();
    this.tell("restored");
    this.doing = `waiting until every name answers for ${steadySeconds} s and verify says yes`;
    await this.watchers?.stop();
  }

  /** Removes the picture, before something else prints. */
  hide(): void {
    this.live.end();
  }

  async end(): Promise<void> {
    this.hide();
    this.failures?.stop();
    await this.watchers?.stop();
  }

  report({ round, allYesAfter, healed }: Back): DrillReport {
    const { drill, place, traffic, broken, restoring, restored } = this;
    return {
      drill: drill.id,
      link: { source: place.source.name, target: place.target.name },
      breaks: drill.breaks(place),
      operator: drill.operator(place),
      at: new Date(broken * 1000).toISOString(),
      seconds: tenths(restoring - broken),
      restoreSeconds: tenths(restored - restoring),
      names: nameReports(traffic.names, traffic.requests, { broken, end: now() }),
      connectionsLost: traffic.lost,
      notices: this.watchers?.notices ?? [],
      verifyBroken: this.watchers?.said() ?? { yes: 0, no: [] },
      verifyAfter: round,
      ...(allYesAfter !== undefined && { allYesAfter }),
      healed,
    };
  }
}

const now = (): number => Date.now() / 1000;
const tenths = (seconds: number): number => Number(seconds.toFixed(1));

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, seconds) * 1000, undefined, { signal }).catch(() => {
    throw new Interrupted();
  });
}

/**
 * Waits until every name answers and `verify` says yes. A drill on a mesh with faults would report those.
 *
 * @throws UserError naming what is wrong
 */
async function calm(
  place: Place,
  traffic: Traffic,
  status: () => Promise<MeshStatus>,
  signal: AbortSignal,
): Promise<MeshStatus> {
  const verify = `npm run verify -- ${place.stack.name}`;
  const round = await roundWhileBroken(place, signal);
  const [fault] = round.no;
  if (fault) {
    const what = `${fault.id} (${fault.on}): ${fault.why}`;
    throw new UserError(`the mesh has a fault before anything is broken: ${what}. Next: ${verify}`);
  }
  for (const end = now() + calmWithinSeconds; ; await pause(1, signal)) {
    const unsteady = traffic.unsteady(calmSeconds);
    if (unsteady.length === 0) return status();
    if (now() > end) {
      const hosts = unsteady.map(({ source, host }) => `${source}: ${host}`).join(", ");
      throw new UserError(`before anything is broken, these names do not answer: ${hosts}. Next: ${verify}`);
    }
  }
}

/** Tells when a name begins to fail, and when it answers again. */
class FailureLines {
  private seen: number;
  private readonly failing = new Set<string>();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly traffic: Traffic,
    private readonly began: number,
    private readonly tell: (text: string) => void,
  ) {
    this.seen = traffic.requests.length;
    this.timer = setInterval(() => this.look(), 250);
  }

  private look(): void {
    const fresh = this.traffic.requests.slice(this.seen).filter(({ at }) => at >= this.began);
    this.seen = this.traffic.requests.length;
    for (const { host } of this.traffic.names) {
      const last = fresh.filter((request) => request.host === host).at(-1);
      if (!last) continue;
      const failure = failureOf(last);
      if (failure !== undefined && !this.failing.has(host)) this.tell(`× ${host}: ${failure}`);
      if (failure === undefined && this.failing.has(host)) this.tell(`√ ${host} answers again`);
      if (failure === undefined) this.failing.delete(host);
      else this.failing.add(host);
    }
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

interface Back {
  round: Answers;
  allYesAfter?: number;
  healed: boolean;
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
