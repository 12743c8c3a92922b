/** The place of each local cluster in the stack's host ports and ranges, by context. Example: `{ "k3d-east": 0 }` */
export type Slots = Record<string, number>;

/**
 * Gives each cluster a place. Clusters that are in the state keep theirs, so that a removed cluster leaves the others
 * alone. A new one gets the first place that no cluster of the state has, also none that this update removes: Pulumi
 * makes new clusters before it deletes old ones.
 *
 * @example slotsOf(["k3d-b", "k3d-c"], { "k3d-a": 0, "k3d-b": 1 }) // { "k3d-b": 1, "k3d-c": 2 }
 */
export function slotsOf(clusters: readonly string[], taken: Slots): Slots {
  const used = new Set(Object.values(taken));
  const slots: Slots = Object.create(null) as Slots;
  for (const name of clusters) {
    let slot = Object.hasOwn(taken, name) ? taken[name] : undefined;
    for (let next = 0; slot === undefined; next++) if (!used.has(next)) slot = next;
    used.add(slot);
    slots[name] = slot;
  }
  return slots;
}
