import { escapeXml } from "../lib/xml";
import { type Figures, type Outcome, verdict, type Verdict } from "./runner";

/** The contents of the report. */
export interface Report {
  stack: string;
  runtime: string;
  /** Example: `{ node: "v22.1.0", k3d: "5.9.0" }` */
  versions: Record<string, string>;
  /** Images that the clusters ran. Empty if they never came up. */
  images: string[];
  steps: Outcome[];
  /** Steps that the command line left out. */
  leftOut: string[];
  seconds: number;
}

const indent = " ".repeat(19);

/** One step, printed as soon as it has ended. */
export function row({ id, title, result, seconds, why, figures }: Outcome): string {
  const lines = [`${result.padEnd(7)} ${seconds.toFixed(1).padStart(7)} s  ${id.padEnd(26)} ${title}`];
  if (why !== undefined) lines.push(...why.split("\n").map((line) => indent + line));
  lines.push(...inWords(figures).map((line) => indent + line));
  return lines.join("\n");
}

/** One line per figure. A figure with parts takes one line per part. */
export function inWords(figures: Figures): string[] {
  return Object.entries(figures).flatMap(([name, value]) => {
    if (typeof value !== "object" || value === null) return [`${name}: ${String(value)}`];
    const parts = Object.entries(value as Figures);
    if (parts.some(([, part]) => typeof part === "object")) {
      return parts.map(([part, inner]) => `${name}: ${part}: ${flat(inner)}`);
    }
    return [`${name}: ${flat(value)}`];
  });
}

function flat(value: unknown): string {
  if (Array.isArray(value)) return value.map(flat).join(", ") || "none";
  if (typeof value !== "object" || value === null) return String(value);
  const parts = Object.entries(value as Figures).map(([name, part]) => `${name} ${flat(part)}`);
  return parts.join(", ") || "none";
}

const conclusions: Record<Verdict, string> = {
  passed: "passed",
  failed: "FAILED",
  incomplete: "nothing failed, but not every step ran",
};

/** The last lines. */
export function summary({ stack, steps, leftOut, seconds }: Report): string {
  const count = (result: Outcome["result"]) => steps.filter((step) => step.result === result).length;
  const counts = (["passed", "failed", "skipped", "not run"] as const)
    .filter((result) => count(result) > 0)
    .map((result) => `${count(result)} ${result}`);
  const lines = [
    `\nAcceptance of stack ${stack}: ${conclusions[verdict(steps)]} (${counts.join(", ")}; ${seconds.toFixed(0)} s)`,
  ];
  for (const { id, why } of steps.filter(({ result }) => result === "not run")) lines.push(`not run: ${id}: ${why}`);
  if (leftOut.length > 0) lines.push(`left out by --only, --skip or --keep: ${leftOut.join(", ")}`);
  return lines.join("\n");
}

/** For programs. */
export function json(report: Report): string {
  const steps = report.steps.map((step) => ({ ...step, seconds: rounded(step.seconds) }));
  const whole = { ...report, seconds: rounded(report.seconds), steps, result: verdict(report.steps) };
  return `${JSON.stringify(whole, undefined, 2)}\n`;
}

const rounded = (seconds: number): number => Number(seconds.toFixed(3));

/** For CI: one suite, one case per step. Steps that were skipped or not run count as skipped. */
export function junit({ stack, steps, versions, seconds }: Report): string {
  const failures = steps.filter(({ result }) => result === "failed").length;
  const skipped = steps.filter(({ result }) => result === "skipped" || result === "not run").length;
  const attributes = `tests="${steps.length}" failures="${failures}" skipped="${skipped}" time="${seconds.toFixed(3)}"`;
  const properties = Object.entries(versions).map(
    ([name, value]) => `      <property name="${escapeXml(name)}" value="${escapeXml(value)}"/>`,
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<testsuites>",
    `  <testsuite name="${escapeXml(`acceptance ${stack}`)}" ${attributes}>`,
    ...["    <properties>", ...properties, "    </properties>"],
    ...steps.map(testcase),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function testcase({ id, title, result, why = "", seconds, figures }: Outcome): string {
  const open = `    <testcase classname="acceptance.${escapeXml(id)}" name="${escapeXml(title)}" time="${seconds.toFixed(3)}">`;
  const figured = inWords(figures);
  const out = figured.length > 0 ? `<system-out>${escapeXml(figured.join("\n"))}</system-out>` : "";
  const message = escapeXml(why);
  const detail = {
    passed: "",
    failed: `<failure message="${message}">${message}</failure>`,
    skipped: `<skipped message="${message}"/>`,
    "not run": `<skipped message="${message}"/>`,
  }[result];
  return `${open}${detail}${out}</testcase>`;
}
