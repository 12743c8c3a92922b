import { columns, type Paint } from "../lib/terminal";
import { failureOf, tally, type Request } from "../traffic/requests";
import type { Result } from "../verify/check";
import type { LinkName } from "../verify/stack";
import type { DrillId } from "./drill";
import type { Name } from "./traffic";

/** What happened to the requests to one name. */
export interface NameReport extends Name {
  /** From the break on. */
  sent: number;
  lost: number;
  /** How many were lost, by kind. */
  failed: Record<string, number>;
  /** When the first lost request was sent. Seconds after the break. */
  firstLost?: number;
  /** When the first request after the last lost one was sent. Seconds after the break. Absent if there was none. */
  answeredAgain?: number;
  /** Per second, from the break on: requests that were sent, and lost. */
  perSecond: [sent: number, lost: number][];
}

/** Who noticed what, and when. */
export interface Notice {
  by: "status" | "verify";
  what: string;
  /** Seconds after the break. */
  after: number;
}

/** One answer no of `verify`. */
export type No = Pick<Result, "id" | "on" | "why">;

export interface DrillReport {
  drill: DrillId;
  link: LinkName;
  /** What was broken, in one sentence. */
  breaks: string;
  /** What an operator does when this happens for real. */
  operator: string;
  /** RFC 3339 */
  at: string;
  /** How long it was broken. */
  seconds: number;
  /** How long the restoration took. */
  restoreSeconds: number;
  names: NameReport[];
  /** How often the connection to the program that asks broke. Requests of that moment are not counted. */
  connectionsLost: number;
  notices: Notice[];
  /** What `verify` said last to each check before the restoration. */
  verifyBroken: { yes: number; no: No[] };
  /** What it said in its last round. */
  verifyAfter: { yes: number; no: No[] };
  /** When verify said yes to everything. Seconds after the restoration began. Absent if it never did. */
  allYesAfter?: number;
  /** Whether `npm run heal` had to repair something. */
  healed: boolean;
}

/** A drill of `--all` that could not run. */
export interface NotRun {
  drill: DrillId;
  why: string;
}

const tenths = (seconds: number): number => Number(seconds.toFixed(1));

/**
 * Counts the requests to each name.
 *
 * @param moments when the break began and when the measurement ended, in seconds since 1970
 */
export function nameReports(
  names: readonly Name[],
  requests: readonly Request[],
  moments: { broken: number; end: number },
): NameReport[] {
  const { broken, end } = moments;
  const measured = requests.filter(({ at }) => at >= broken && at <= end);
  const counts = tally(measured);
  return names.map((name) => {
    const own = measured.filter(({ host }) => host === name.host).sort((a, b) => a.at - b.at);
    const isLost = (request: Request): boolean => failureOf(request) !== undefined;
    const first = own.find(isLost);
    const last = own.map(isLost).lastIndexOf(true);
    const again = first && own[last + 1];
    const { sent = 0, answered = 0, failed = {} } = counts[name.host] ?? {};
    const perSecond = Array.from({ length: Math.ceil(end - broken) }, (): [number, number] => [0, 0]);
    for (const request of own) {
      const second = perSecond[Math.floor(request.at - broken)];
      if (!second) continue;
      second[0] += 1;
      if (isLost(request)) second[1] += 1;
    }
    return {
      ...name,
      sent,
      lost: sent - answered,
      failed,
      ...(first && { firstLost: tenths(first.at - broken) }),
      ...(again && { answeredAgain: tenths(again.at - broken) }),
      perSecond,
    };
  });
}

/** The report of one drill, for a terminal. */
export function drillText(report: DrillReport, paint: Paint): string {
  const { drill, breaks, operator, seconds, restoreSeconds, names, notices, healed, connectionsLost } = report;
  const title = (text: string) => paint("bold", text);
  const rows = names.map((name) => [
    paint(name.lost === 0 ? "green" : "red", name.lost === 0 ? "√" : "×"),
    `${name.source}: ${shortHost(name.host)}`,
    String(name.sent),
    String(name.lost),
    name.firstLost === undefined ? "-" : `${name.firstLost.toFixed(1)} s`,
    again(name, seconds),
    Object.entries(name.failed).map(([kind, count]) => `${count} ${kind}`).join(", "), // prettier-ignore
  ]);
  return [
    "",
    `${title(`Drill ${drill}`)}: ${breaks}, for ${seconds.toFixed(1)} s. The restoration took ${restoreSeconds.toFixed(1)} s.`,
    "",
    ...(rows.length > 0
      ? columns([["", "NAME", "ASKED", "LOST", "FIRST LOST", "ANSWERED AGAIN", "HOW"].map((name) => name && title(name)), ...rows]) // prettier-ignore
      : ["   No name was asked."]),
    ...(connectionsLost > 0 ? [`   The connection to a client broke ${connectionsLost} times: requests of that moment are not counted.`] : []), // prettier-ignore
    "",
    ...(notices.length > 0
      ? columns([["", "NOTICED BY", "AFTER", "WHAT"].map((name) => name && title(name)), ...noticeRows(notices)])
      : ["   Nobody noticed."]),
    "",
    ...verifyLines(report),
    ...(healed ? ["npm run heal repaired the rest."] : []),
    `When it happens for real: ${operator}.`,
  ].join("\n");
}

/** Of each observer. With a cluster that is stopped, every check says no. */
export const shownNotices = 5;

/** The rest is in the JSON report. */
export const shortened = (what: string): string => (what.length > 140 ? `${what.slice(0, 139)}…` : what);

function noticeRows(notices: readonly Notice[]): string[][] {
  const shown = new Set(
    (["status", "verify"] as const).flatMap((by) => notices.filter((one) => one.by === by).slice(0, shownNotices)),
  );
  const rows = notices
    .filter((notice) => shown.has(notice))
    .map(({ by, what, after }) => ["", by, `${after.toFixed(1)} s`, shortened(what)]);
  const more = notices.length - rows.length;
  return more > 0 ? [...rows, ["", "", "", `and ${more} more, see the JSON report`]] : rows;
}

/** When the name answered again, in relation to the restoration. */
function again({ lost, answeredAgain }: NameReport, seconds: number): string {
  if (lost === 0) return "-";
  if (answeredAgain === undefined) return "never";
  const since = answeredAgain - seconds;
  return since < 0
    ? `${answeredAgain.toFixed(1)} s, while broken`
    : `${since.toFixed(1)} s after the restoration began`;
}

/** Without the parts that all names have. Example: `nginx-set-0.nginx-svc-west.default` */
export const shortHost = (host: string): string => host.replace(/\.svc\..*$/, "");

function verifyLines({ verifyBroken, verifyAfter, allYesAfter }: DrillReport): string[] {
  const broken = `${verifyBroken.yes} yes, ${verifyBroken.no.length} no`;
  const after =
    allYesAfter === undefined
      ? `${verifyAfter.yes} yes, ${verifyAfter.no.length} no: ${verifyAfter.no.map(({ id, on, why }) => `${id} (${on}): ${why}`).join("; ")}`
      : `${verifyAfter.yes} yes, 0 no, ${allYesAfter.toFixed(1)} s after the restoration began`;
  return [`verify while broken: ${broken}.`, `verify afterwards: ${after}.`];
}

/** One row for each drill of `--all`. Times are seconds after the restoration began. */
export function summaryTable(reports: readonly (DrillReport | NotRun)[], paint: Paint): string {
  const head = ["", "DRILL", "NAMES HIT", "ASKED", "LOST", "FIRST NOTICED", "VERIFY SAID", "LAST NAME BACK", "VERIFY ALL YES", "HEAL"]; // prettier-ignore
  const rows = reports.map((report) => {
    if ("why" in report) return [paint("grey", "-"), report.drill, `not run: ${report.why}`];
    const { drill, names, notices, verifyBroken, allYesAfter, healed } = report;
    const sum = (figure: (name: NameReport) => number) => names.reduce((all, name) => all + figure(name), 0);
    const [first] = notices;
    return [
      paint(isWhole(report) ? "green" : "red", isWhole(report) ? "√" : "×"),
      drill,
      `${names.filter(({ lost }) => lost > 0).length} of ${names.length}`,
      String(sum(({ sent }) => sent)),
      String(sum(({ lost }) => lost)),
      first ? `${first.by}, ${first.after.toFixed(1)} s` : "by nobody",
      `${verifyBroken.no.length} no`,
      lastBack(report),
      allYesAfter === undefined ? "never" : `${allYesAfter.toFixed(1)} s`,
      healed ? "needed" : "not needed",
    ];
  });
  return columns([head.map((name) => name && paint("bold", name)), ...rows]).join("\n");
}

/** When the last name answered again, in relation to the restoration. */
function lastBack({ names, seconds }: DrillReport): string {
  const backs = names.filter(({ lost }) => lost > 0).map(({ answeredAgain }) => answeredAgain ?? Infinity);
  if (backs.length === 0) return "-";
  const last = Math.max(...backs) - seconds;
  return last < 0 ? "while broken" : Number.isFinite(last) ? `${last.toFixed(1)} s` : "never";
}

/** Whether everything came back. */
export function isWhole({ names, allYesAfter }: DrillReport): boolean {
  return (
    allYesAfter !== undefined && names.every(({ lost, answeredAgain }) => lost === 0 || answeredAgain !== undefined)
  );
}

/** For programs. */
export function json(stack: string, reports: readonly (DrillReport | NotRun)[]): string {
  return `${JSON.stringify({ stack, drills: reports }, undefined, 2)}\n`;
}
