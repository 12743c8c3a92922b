import { root } from "../../lib/paths";

/**
 * The shell command that runs one of this project's programs, for a `local.Command`.
 *
 * The path is relative to the project's directory, where Pulumi runs commands. So every machine has the same state.
 */
export function program(file: string, ...words: string[]): string {
  return ["node", "--require", "tsx/cjs", file, ...words].join(" ");
}

/**
 * Fields of each `local.Command`. In this project's own stacks Pulumi runs commands in the project's directory anyway, and
 * the state names no directory of a machine. In other programs the commands run in the package's directory.
 */
export function commandDefaults(): { addPreviousOutputInEnv: false; dir?: string } {
  return { addPreviousOutputInEnv: false, ...(process.cwd() !== root && { dir: root }) };
}
