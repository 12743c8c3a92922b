import type { LinkStatus } from "../status/model";
import type { Row } from "./rows";

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  cluster: string;
  width: number;
  height: number;
  rows: Row[];
}

/** One line: a link, or the two links of a pair of clusters. */
export interface Line {
  links: LinkStatus[];
  points: Point[];
  /** Where its text goes. */
  label: Point;
}

/** Where everything is, in pixels. */
export interface Layout {
  width: number;
  height: number;
  boxes: Box[];
  lines: Line[];
}

/** Sizes in pixels. The font is monospaced, so a text's width follows from its length. */
export const sizes = { row: 18, title: 40, margin: 10, letter: 7.3, label: 15 };

/** Rows of pods are set in by this many letters. */
export function indent({ kind }: Row): number {
  return kind === "pod" || kind === "mirrored pod" ? 2 : 0;
}
