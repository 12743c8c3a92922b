/** Colours of the terminal, by ANSI code. */
const colours = { green: 32, red: 31, yellow: 33, grey: 90, bold: 1 };
export type Colour = keyof typeof colours;

/** Colours a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string;

/**
 * Paints for a stream: only at a terminal, and not if NO_COLOR is set (https://no-color.org). `styleText` of node:util
 * came with Node.js 20.12, and 20.3 is supported.
 *
 * @example const paint = painter(process.stdout);
 */
export function painter(stream: { isTTY?: boolean }, env = process.env): Paint {
  if (!stream.isTTY || env.NO_COLOR || env.TERM === "dumb") return (_, text) => text;
  return (colour, text) => `\x1b[${colours[colour]}m${text}\x1b[0m`;
}

/** Cells in columns as wide as their contents need, two spaces apart. A last cell may be of any length. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, visible(cell))));
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i < row.length - 1 ? cell + " ".repeat((widths[i] ?? 0) - visible(cell)) : cell))
      .join("  ")
      .trimEnd(),
  );
}

/** Length without colours. */
function visible(text: string): number {
  // eslint-disable-next-line no-control-regex -- a colour is made of control characters
  return [...text.replace(/\x1b\[\d+m/g, "")].length;
}
