import type { Cost } from "./measure";
import type { NodeCost } from "./nodes";

/** Size of a stack's state, bytes. */
export interface StateSize {
  /** The file that the backend writes at every step, compressed. */
  file: number;
  /** Its content as JSON without white space. */
  json: number;
  resources: number;
}

/** All results: figures by name, in the order they were measured. */
export class Results {
  readonly costs = new Map<string, Cost[]>();
  readonly states = new Map<string, StateSize>();
  readonly nodes = new Map<string, NodeCost[]>();
  /** Sentences that belong to the figures. */
  readonly notes: string[] = [];

  add(figure: string, cost: Cost): void {
    this.costs.set(figure, [...(this.costs.get(figure) ?? []), cost]);
  }

  addNodes(mesh: string, cost: NodeCost): void {
    this.nodes.set(mesh, [...(this.nodes.get(mesh) ?? []), cost]);
  }

  /** Keeps only the last size, because rounds differ by a few bytes. */
  addState(what: string, size: StateSize): void {
    this.states.set(what, size);
  }
}
