import type { Cost } from "./measure";

/** Size of a stack's state, bytes. */
export interface StateSize {
  /** The file that the backend writes at every step, compressed. */
  file: number;
  /** What it holds, as JSON without white space. */
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
  addState(what: string, size: StateSize): void {
    this.states.set(what, size);
  }
}
