import * as fs from "node:fs";
import { resourcesIn } from "./lab";
import type { Cost } from "./measure";

/** Size of a stack's state, bytes. */
export interface StateSize {
  /** The file that the backend writes at every step. */
  file: number;
  /** The same without white space: what any backend has to keep. */
  json: number;
  resources: number;
}

/** All that was measured: figures by name, in the order they came. */
export class Results {
  readonly costs = new Map<string, Cost[]>();
  readonly states = new Map<string, StateSize>();

  add(figure: string, cost: Cost): void {
    this.costs.set(figure, [...(this.costs.get(figure) ?? []), cost]);
  }

  /** The same at every round but for a few bytes, so the last one is kept. */
  addState(what: string, file: string): void {
    const text = fs.readFileSync(file, "utf8");
    this.states.set(what, {
      file: Buffer.byteLength(text),
      json: Buffer.byteLength(JSON.stringify(JSON.parse(text))),
      resources: resourcesIn(file),
    });
  }
}
