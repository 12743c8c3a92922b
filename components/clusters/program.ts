/**
 * The shell command that runs one of this project's programs, for a `local.Command`.
 *
 * The path is relative to the project's directory, where Pulumi runs commands. So every machine has the same state.
 */
export function program(file: string, ...words: string[]): string {
  return ["node", "--require", "tsx/cjs", file, ...words].join(" ");
}
