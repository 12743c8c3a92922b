/**
 * What a cluster is called outside the mesh. Carries the stack, but for stack dev, so that no two stacks meet. A cluster's
 * name with a dash in it takes two before it: stack `a` with cluster `b-c` is not stack `a-b` with cluster `c`.
 *
 * @example nameOutside("alice", "east") // "alice-east"
 */
export function physicalNameOf(stack: string, cluster: string): string {
  if (cluster.includes("-")) return `${stack}--${cluster}`;
  return stack === "dev" ? cluster : `${stack}-${cluster}`;
}
