/**
 * The owner of a local cluster or an engine: one stack of one clone.
 *
 * @param directory the clone
 * @example ownerOf("dev", "/home/alice/mesh") // "stack dev of /home/alice/mesh"
 */
export function ownerOf(stack: string, directory: string): string {
  return `stack ${stack} of ${directory}`;
}
