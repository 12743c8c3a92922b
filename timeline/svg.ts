import { escapeXml } from "../lib/xml";
import { endOf, type PathStep } from "./criticalPath";
import type { Operation, Update } from "../stacks/updateEvents";
import type { Place } from "./names";

const width = 1400;
const labelWidth = 430;
const right = 60;
const row = 13;

const colours: Record<string, string> = { same: "#c8c8c8", delete: "#b8860b", update: "#6a8fc5", create: "#7fb069" };

/**
 * Draws an update: one bar per resource, grouped by cluster, in order of their start. The critical path is red. Bars of
 * interrupted steps are open to the right, and failed steps are marked.
 */
export function draw(title: string, update: Update, path: PathStep[], placeOf: (step: Operation) => Place): string {
  const critical = new Set(path.map(({ step }) => step));
  const total = Math.max(update.duration, 1);
  const x = (time: number) => labelWidth + (time / total) * (width - labelWidth - right);
  const parts: string[] = [];
  let y = 62;
  for (const [group, steps] of grouped(update, placeOf)) {
    parts.push(text(10, y + 10, group, 'class="group"'));
    y += row + 4;
    for (const step of steps.sort((a, b) => a.start - b.start)) {
      parts.push(bar(step, { x, y, total, critical: critical.has(step), place: placeOf(step) }));
      y += row;
    }
    y += 8;
  }
  const height = y + 10;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    "<style>text{font:10px sans-serif;fill:#222}.title{font-size:15px}.group{font-weight:bold;font-size:12px}</style>",
    '<rect width="100%" height="100%" fill="white"/>',
    text(10, 20, title, 'class="title"'),
    `<rect x="10" y="30" width="12" height="8" fill="${criticalColour}"/>`,
    text(26, 38, "critical path"),
    ...axis(total, x, height),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

const criticalColour = "#d62828";

function grouped(update: Update, placeOf: (step: Operation) => Place): [string, Operation[]][] {
  const groups = new Map<string, Operation[]>();
  for (const step of update.steps.filter(({ custom }) => custom)) {
    const { group } = placeOf(step);
    groups.set(group, [...(groups.get(group) ?? []), step]);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

interface BarContext {
  x: (time: number) => number;
  y: number;
  total: number;
  critical: boolean;
  place: Place;
}

function bar(step: Operation, { x, y, total, critical, place }: BarContext): string {
  const end = Math.min(endOf(step), total);
  const open = step.end === undefined;
  const kind = Object.keys(colours).find((op) => step.op.startsWith(op)) ?? "update";
  const fill = critical ? criticalColour : colours[kind];
  const length = Math.max(1, x(end) - x(step.start));
  const told = `${step.op} ${((end - step.start) / 1000).toFixed(2)} s`;
  const state = open ? ", not ended" : step.failed ? ", failed" : "";
  return [
    `<g><title>${escapeXml(`${place.label} (${place.stage}): ${told}${state}, from ${(step.start / 1000).toFixed(2)} s`)}</title>`,
    text(labelWidth - 6, y + 9, clip(`${place.label}`), `text-anchor="end"${critical ? ' font-weight="bold"' : ""}`),
    `<rect x="${x(step.start).toFixed(1)}" y="${y + 1}" width="${length.toFixed(1)}" height="${row - 3}" fill="${fill}"` +
      `${open ? ' fill-opacity="0.4" stroke-dasharray="3" stroke="#222"' : step.failed ? ' stroke="#000" stroke-width="1.5"' : ""}/>`,
    length > 60 || critical || state !== "" ? text(x(end) + 3, y + 9, `${told.replace(/^\S+ /, "")}${state}`) : "",
    "</g>",
  ].join("");
}

/** Vertical lines at round numbers of seconds, about a dozen at most. */
function axis(total: number, x: (time: number) => number, height: number): string[] {
  const step =
    [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800].find((s) => total / 1000 / s <= 12) ?? 3600;
  const marks = Array.from({ length: Math.floor(total / 1000 / step) + 1 }, (_, i) => i * step);
  return marks.flatMap((mark) => {
    const at = x(mark * 1000).toFixed(1);
    return [
      `<line x1="${at}" x2="${at}" y1="54" y2="${height}" stroke="#e4e4e4"/>`,
      text(Number(at), 50, `${Number(mark.toFixed(1))} s`, 'text-anchor="middle"'),
    ];
  });
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`;
}

function clip(label: string): string {
  return label.length > 78 ? `${label.slice(0, 77)}…` : label;
}
