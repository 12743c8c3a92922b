/**
 * The physical name of a cluster: its name outside the mesh. It contains the stack, except for stack dev, so that
 * stacks do not collide. A cluster name with a dash gets two dashes before it: stack `a` with cluster `b-c` is not
 * stack `a-b` with cluster `c`.
 *
 * @example physicalNameOf("alice", "east") // "alice-east"
 */
export function physicalNameOf(stack: string, cluster: string): string {
  if (cluster.includes("-")) return `${stack}--${cluster}`;
  return stack === "dev" ? cluster : `${stack}-${cluster}`;
}
