import { columns, type Paint } from "../lib/terminal";
import { escapeXml } from "../lib/xml";
import { groups, type Answer, type Group, type Result } from "./check";

const marks: Record<Answer, { mark: string; colour: Parameters<Paint>[0] }> = {
  yes: { mark: "√", colour: "green" },
  no: { mark: "×", colour: "red" },
  "not applicable": { mark: "-", colour: "yellow" },
};

/** A group's heading and its results. An empty line separates it from the next group. */
export function group(name: Group, results: readonly Result[], paint: Paint): string {
  return [name, "-".repeat(name.length), table(results, paint), ""].join("\n");
}

/** One line per result, in columns as wide as their content. The reason comes last, because it may be long. */
export function table(results: readonly Result[], paint: Paint): string {
  const seconds = results.map((result) => `${result.seconds.toFixed(1)} s`);
  const width = Math.max(...seconds.map(({ length }) => length));
  const rows = columns(
    results.map(({ answer, id, on, why }, i) => {
      const { mark, colour } = marks[answer];
      return [paint(colour, mark), id, on, (seconds[i] ?? "").padStart(width), why];
    }),
  );
  const lines = results.flatMap((result, i) => [rows[i] ?? "", ...details(result).map((line) => `    ${line}`)]);
  return lines.join("\n");
}

/** The lines below a result. */
function details({ answer, id, objects, next, remark }: Result): string[] {
  if (answer !== "no") return remark === undefined ? [] : [remark];
  return [...objects.map((object) => `looked at: ${object}`), `next: ${next}`, `see docs/verify.md#${anchor(id)}`];
}

/** The anchor that GitHub gives to the heading of a check. It drops dots and keeps hyphens. */
const anchor = (id: string): string => id.replaceAll(".", "");

/** The last lines: counts, reasons of checks that do not apply, and the next commands. */
export function summary(results: readonly Result[], seconds: number): string {
  const count = (answer: Answer): number => results.filter((result) => result.answer === answer).length;
  const lines = [
    `${count("yes")} yes, ${count("no")} no, ${count("not applicable")} not applicable, in ${seconds.toFixed(1)} s`,
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
