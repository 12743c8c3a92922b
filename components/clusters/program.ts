/**
 * The shell command that runs one of this project's programs, for a `local.Command`.
 *
 * Relative to the project's directory, where Pulumi runs commands, so that state is the same on every machine.
 */
export function program(file: string, ...words: string[]): string {
  return ["node", "--require", "tsx/cjs", file, ...words].join(" ");
}
