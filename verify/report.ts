import { escapeXml } from "../lib/xml";
import { groups, type Answer, type Result } from "./check";

const marks: Record<Answer, string> = { yes: "yes", no: "NO ", "not applicable": "n/a" };

/** Column widths, so that a row fits a terminal. Reasons go on lines of their own. */
const titleWidth = 66;
const whereWidth = 12;

/** One row, printed as soon as the answer is known. */
export function row({ answer, seconds, on, title, why, id, objects, next, remark }: Result): string {
  const line = `${marks[answer]} ${seconds.toFixed(1).padStart(6)} s  ${on.padEnd(whereWidth)} ${title.padEnd(titleWidth)} ${id}`;
  if (answer === "yes") return remark ? `${line}\n${" ".repeat(14)}${remark}` : line;
  const lines = [line, `${" ".repeat(14)}${why}`];
  if (answer === "no") {
    lines.push(...objects.map((object) => `${" ".repeat(14)}looked at: ${object}`), `${" ".repeat(14)}next: ${next}`);
  }
  return lines.join("\n");
}

/** The last lines: counts, reasons of checks that do not apply, and the next commands. */
export function summary(results: readonly Result[], seconds: number): string {
  const count = (answer: Answer): number => results.filter((result) => result.answer === answer).length;
  const lines = [
    `\n${count("yes")} yes, ${count("no")} no, ${count("not applicable")} not applicable, in ${seconds.toFixed(1)} s`,
  ];
  const inapplicable = results.filter(({ answer }) => answer === "not applicable");
  for (const why of new Set(inapplicable.map((result) => result.why))) lines.push(`not applicable: ${why}`);
  for (const next of new Set(
    results.flatMap((result) => (result.answer === "no" && result.next ? [result.next] : [])),
  )) {
    lines.push(`next: ${next}`);
  }
  return lines.join("\n");
}

/** For programs: the whole report in one object. */
export function json(stack: string, results: readonly Result[], seconds: number): string {
  return `${JSON.stringify({ stack, seconds: Number(seconds.toFixed(3)), results }, undefined, 2)}\n`;
}

/** For CI: one test suite per group. Checks that do not apply count as skipped. */
export function junit(stack: string, results: readonly Result[]): string {
  const suites = groups
    .map((group) => ({ group, cases: results.filter((result) => result.group === group) }))
    .filter(({ cases }) => cases.length > 0)
    .map(({ group, cases }) => {
      const bad = cases.filter(({ answer }) => answer === "no").length;
      const skipped = cases.filter(({ answer }) => answer === "not applicable").length;
      const head = `  <testsuite name="${escapeXml(`${stack} ${group}`)}" tests="${cases.length}" failures="${bad}" skipped="${skipped}">`;
      return [head, ...cases.map(testcase), "  </testsuite>"].join("\n");
    });
  return ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", ...suites, "</testsuites>", ""].join("\n");
}

function testcase({ id, on, title, why, objects, next, answer, seconds }: Result): string {
  const open = `    <testcase classname="${escapeXml(id)}" name="${escapeXml(`${title} (${on})`)}" time="${seconds.toFixed(3)}">`;
  const detail = escapeXml(
    [why, ...objects.map((object) => `looked at: ${object}`), ...(next ? [`next: ${next}`] : [])].join("\n"),
  );
  if (answer === "no") return `${open}<failure message="${escapeXml(why)}">${detail}</failure></testcase>`;
  if (answer === "not applicable") return `${open}<skipped message="${escapeXml(why)}"/></testcase>`;
  return `${open}</testcase>`;
}
