import type { Paint } from "../lib/terminal";
import { groups, type Check, type Group, type Result } from "./check";
import { group as groupText } from "./report";

export interface ReportOptions {
  checks: readonly Check[];
  /** How often each check is asked, by its scope. */
  times: Record<Check["scope"], number>;
  /** Print failures only. */
  quiet: boolean;
  paint: Paint;
  print: (text: string) => void;
}

/**
 * Prints results group by group while the checks still run. The checks of several links run at the same time, so the
 * results of several groups arrive mixed.
 */
export class GroupedReport {
  private readonly known: Result[] = [];
  private readonly waiting: Group[] = [...groups];

  constructor(private readonly options: ReportOptions) {}

  /** Prints each group that is complete now, if all groups before it are printed. */
  add(result: Result): void {
    this.known.push(result);
    for (let [next] = this.waiting; next !== undefined && this.isComplete(next); [next] = this.waiting) {
      this.printNext();
    }
  }

  /** Prints the groups that still lack results. A run that was interrupted has some. */
  end(): void {
    while (this.waiting.length > 0) this.printNext();
  }

  /** In the order of the checks, so that the reports of two runs can be compared. */
  results(): Result[] {
    const place = new Map(this.options.checks.map(({ id }, i) => [id, i]));
    return [...this.known].sort((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0) || a.on.localeCompare(b.on));
  }

  private isComplete(group: Group): boolean {
    const { checks, times } = this.options;
    const expected = checks.filter((check) => check.group === group).reduce((sum, { scope }) => sum + times[scope], 0);
    return this.known.filter((result) => result.group === group).length === expected;
  }

  private printNext(): void {
    const { quiet, paint, print } = this.options;
    const group = this.waiting.shift();
    const shown = this.results().filter((result) => result.group === group && (!quiet || result.answer === "no"));
    if (group !== undefined && shown.length > 0) print(groupText(group, shown, paint));
  }
}
