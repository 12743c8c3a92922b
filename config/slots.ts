/** The place of each local cluster in the stack's host ports and ranges, by context. Example: `{ "k3d-east": 0 }` */
export type Slots = Record<string, number>;

/**
 * Gives each cluster a place. One that was made keeps its place, so that a removed cluster leaves the others alone. A new
 * one gets the first place that nobody has.
 *
 * @param made the places of the stack's clusters, also of those that this update removes: Pulumi makes new clusters before
 *   it deletes old ones
 * @param isTaken whether a place's ports belong to a cluster of another runtime
 * @example slotsOf(["k3d-b", "k3d-c"], { "k3d-a": 0, "k3d-b": 1 }, () => false) // { "k3d-b": 1, "k3d-c": 2 }
 */
export function slotsOf(contexts: readonly string[], made: Slots, isTaken: (slot: number) => boolean): Slots {
  const used = new Set(Object.values(made));
  const slots: Slots = {};
  for (const context of contexts) {
    let slot = made[context];
    for (let next = 0; slot === undefined; next++) if (!used.has(next) && !isTaken(next)) slot = next;
    used.add(slot);
    slots[context] = slot;
  }
  return slots;
}
