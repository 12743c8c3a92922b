import { escapeXml } from "../lib/xml";

/** One line of points, drawn in its own panel. */
export interface Series {
  /** Example: `up, seconds` */
  title: string;
  points: { x: number; y: number }[];
}

const panel = { width: 300, height: 210, left: 46, right: 14, top: 34, bottom: 34 };

/**
 * Draws small panels side by side, one per series, each from 0 to its own highest point. The dashed line shows
 * proportional growth from the first point: on it, every cluster costs the same.
 *
 * @param xTitle the label below each panel. Example: `clusters`
 */
export function plot(title: string, xTitle: string, series: Series[]): string {
  const width = Math.max(1, series.length) * panel.width;
  const height = panel.height + 30;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    "<style>text{font:11px sans-serif;fill:#222}</style>",
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="10" y="20" font-size="14">${escapeXml(title)}</text>`,
    ...series.map((one, i) => `<g transform="translate(${i * panel.width} 30)">${draw(one, xTitle)}</g>`),
    "</svg>",
    "",
  ].join("\n");
}

function draw({ title, points }: Series, xTitle: string): string {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) throw new Error(`${title} has no points`);
  const proportional = (x: number) => (first.y / first.x) * x;
  const top = niceAbove(Math.max(proportional(last.x), ...points.map(({ y }) => y)));
  const x = (value: number) => panel.left + (value / last.x) * (panel.width - panel.left - panel.right);
  const y = (value: number) => panel.height - panel.bottom - (value / top) * (panel.height - panel.top - panel.bottom);
  const at = (point: { x: number; y: number }) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`;
  const bottom = y(0);
  return [
    `<text x="${panel.left}" y="20" font-weight="bold">${escapeXml(title)}</text>`,
    ...[0, top / 2, top].map(
      (mark) =>
        `<line x1="${panel.left}" x2="${panel.width - panel.right}" y1="${y(mark)}" y2="${y(mark)}" stroke="#ddd"/>` +
        `<text x="${panel.left - 5}" y="${y(mark) + 4}" text-anchor="end">${Number(mark.toFixed(2))}</text>`,
    ),
    ...points.map((point) => `<text x="${x(point.x)}" y="${bottom + 15}" text-anchor="middle">${point.x}</text>`),
    `<text x="${(panel.left + panel.width) / 2}" y="${bottom + 29}" text-anchor="middle">${escapeXml(xTitle)}</text>`,
    `<polyline points="${at(first)} ${at({ x: last.x, y: proportional(last.x) })}" fill="none" stroke="#888" stroke-dasharray="4"/>`,
    `<polyline points="${points.map(at).join(" ")}" fill="none" stroke="#1f6fb2" stroke-width="2"/>`,
    ...points.map((point) => {
      const [cx, cy] = [x(point.x).toFixed(1), y(point.y).toFixed(1)];
      return `<circle cx="${cx}" cy="${cy}" r="3" fill="#1f6fb2"/><text x="${cx}" y="${Number(cy) - 7}" text-anchor="end">${Number(point.y.toFixed(1))}</text>`;
    }),
  ].join("");
}

/** The smallest of 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, ... that is at least the value. */
export function niceAbove(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const least = ([1, 2, 3, 4, 5, 6, 8].find((digit) => digit * power >= value) ?? 10) * power;
  // Rounds, because 3 * 0.1 is not 0.3.
  return Number(least.toPrecision(1));
}
