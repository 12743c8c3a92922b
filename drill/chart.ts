import { escapeXml } from "../lib/xml";
import { shortHost, type DrillReport, type NameReport } from "./report";

const layout = { left: 300, second: 5, row: 16, head: 46, foot: 34, right: 90 };

/**
 * Draws each drill as a panel: a row per name, by second. The red part of a row's height is the share of requests that were
 * lost. Lines mark the break, the restoration, the first notice, and the moment at which `verify` said yes again.
 */
export function chart(reports: readonly DrillReport[]): string {
  const seconds = Math.max(1, ...reports.map(lengthOf));
  const width = layout.left + seconds * layout.second + layout.right;
  let top = 34;
  const panels = reports.map((report) => {
    const panel = `<g transform="translate(0 ${top})">${draw(report)}</g>`;
    top += layout.head + Math.max(1, report.names.length) * layout.row + layout.foot;
    return panel;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}">`,
    "<style>text{font:11px sans-serif;fill:#222}</style>",
    '<rect width="100%" height="100%" fill="white"/>',
    '<text x="10" y="20" font-size="14">Requests to each mirrored name, by second after the break: green answered, red lost</text>',
    ...panels,
    "</svg>",
    "",
  ].join("\n");
}

const lengthOf = ({ names, seconds, allYesAfter = 0 }: DrillReport): number =>
  Math.ceil(Math.max(seconds + allYesAfter + 2, ...names.map(({ perSecond }) => perSecond.length)));

function draw(report: DrillReport): string {
  const { drill, breaks, names, seconds, notices, allYesAfter } = report;
  const x = (second: number) => layout.left + second * layout.second;
  const bottom = layout.head + Math.max(1, names.length) * layout.row;
  const mark = (second: number, text: string, y: number) =>
    `<line x1="${x(second)}" x2="${x(second)}" y1="${layout.head - 6}" y2="${bottom + 4}" stroke="#222" stroke-dasharray="3"/>` +
    `<text x="${x(second)}" y="${y}">${escapeXml(text)}</text>`;
  const first = notices[0];
  return [
    `<text x="10" y="14" font-size="13" font-weight="bold">${escapeXml(drill)}</text>`,
    `<text x="90" y="14">${escapeXml(breaks)}</text>`,
    ...names.map(({ source, host, perSecond }, i) => {
      const y = layout.head + i * layout.row;
      return [
        `<text x="10" y="${y + 11}">${escapeXml(`${source}: ${shortHost(host)}`)}</text>`,
        ...stretches(perSecond).map(({ from, to, share }) => stretch(x(from), x(to), y, share)),
      ].join("");
    }),
    ...(names.length === 0 ? [`<text x="10" y="${layout.head + 11}">no name was asked</text>`] : []),
    mark(0, "broken", layout.head - 10),
    mark(seconds, "restored from here", layout.head - 10),
    ...(first ? [mark(first.after, `${first.by} notices`, bottom + 14)] : []),
    ...(allYesAfter === undefined ? [] : [mark(seconds + allYesAfter, "verify: all yes", bottom + 14)]),
  ].join("");
}

/** Seconds in a row with the same share of lost requests. */
interface Stretch {
  from: number;
  to: number;
  share: number;
}

/** Without the seconds in which nothing was sent. One rectangle per stretch keeps the file small. */
function stretches(perSecond: NameReport["perSecond"]): Stretch[] {
  const found: Stretch[] = [];
  for (const [second, [sent, lost]] of perSecond.entries()) {
    if (sent === 0) continue;
    const share = Math.round((lost / sent) * 10) / 10;
    const last = found.at(-1);
    if (last?.to === second && last.share === share) last.to += 1;
    else found.push({ from: second, to: second + 1, share });
  }
  return found;
}

function stretch(left: number, right: number, y: number, share: number): string {
  const height = layout.row - 3;
  const red = Number((share * height).toFixed(1));
  const part = (top: number, tall: number, colour: string) =>
    tall > 0 ? `<rect x="${left}" y="${y + top}" width="${right - left}" height="${tall}" fill="${colour}"/>` : "";
  return (
    part(0, Number((height - red).toFixed(1)), "#3a9a4b") + part(Number((height - red).toFixed(1)), red, "#d03b3b")
  );
}
