/** Summary of one figure over several rounds. */
export interface Spread {
  median: number;
  least: number;
  most: number;
}

/**
 * Median, least and most. Mean and deviation would mislead: a busy machine only adds time, so rounds spread unevenly.
 *
 * @throws Error when nothing was measured
 */
export function spreadOf(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [least, most] = [sorted[0], sorted.at(-1)];
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  if (least === undefined || most === undefined || low === undefined || high === undefined) {
    throw new Error("nothing was measured");
  }
  return { median: (low + high) / 2, least, most };
}
