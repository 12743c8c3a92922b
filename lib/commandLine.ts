import * as fs from "node:fs";
import * as path from "node:path";
import { Command, CommanderError, InvalidArgumentError, type OptionValues } from "commander";
import { UserError } from "./run";

/** The user asked for help, and it was printed. */
export class HelpShown extends Error {}

/**
 * One of the project's commands, as `npm run <name>` shows it.
 *
 * @param name as npm knows it. Example: `start`
 * @param summary one sentence
 * @param examples lines to type, each with its description
 */
export function newCommand(name: string, summary: string, examples: Record<string, string>): Command {
  const width = Math.max(...Object.keys(examples).map(({ length }) => length));
  const lines = Object.entries(examples).map(([line, what]) => `  ${line.padEnd(width)}  ${what}`);
  return new Command(npmName(name))
    .description(summary)
    .addHelpText("after", `\nExamples:\n${lines.join("\n")}`)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .configureHelp({ helpWidth: 110 });
}

/** How npm runs a command, up to the command's own arguments. Example: `npm run verify --` */
export function npmName(name: string): string {
  return `npm ${["start", "stop", "test"].includes(name) ? name : `run ${name}`} --`;
}

/**
 * Reads a command line.
 *
 * @throws UserError naming what is wrong and the command that shows what is allowed
 * @throws HelpShown after printing the help
 */
export function parse<Options extends object>(
  command: Command,
  words: string[],
): { args: unknown[]; options: Options } {
  try {
    command.parse(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) throw new HelpShown();
    const problem = error.message
      .replace(/^error: /, "")
      .replace(/^option '(?:-\w, )?(--[\w-]+)[^']*' argument '(.*)' is invalid/, '$1 is "$2"')
      .replace(/^command-argument value '(.*)' is invalid for argument '(\w+)'/, '$2 is "$1"')
      .replace(/\. Allowed(?: choices are|:) /, "; allowed: ")
      .replace(/^too many arguments\. .*$/, `too many arguments: ${command.args.join(" ")}`)
      .replace(/\.$/, "");
    throw new UserError(`${problem}. Next: ${command.name()} --help`);
  }
  return { args: command.processedArgs, options: command.opts<Options & OptionValues>() };
}

/** For an option that may be repeated, or have several comma-separated values. */
export function listOf<T extends string>(allowed: readonly T[]) {
  return (value: string, earlier: readonly T[] = []): T[] => {
    const values = value.split(",").map((one) => {
      const match = allowed.find((known) => known === one);
      if (match === undefined) throw new InvalidArgumentError(`Allowed: ${allowed.join(", ")}`);
      return match;
    });
    return [...new Set([...earlier, ...values])];
  };
}

/** For an option that takes a whole number. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER) {
  return (value: string): number => {
    const number = Number(value);
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`Allowed: whole numbers ${range}`);
  };
}

/** The stack that commands use when none is named. */
export const defaultStack = "rehearsal";

/**
 * Adds a stack argument to a command.
 *
 * @param fallback the stack where none is named
 */
export function takesStack(command: Command, fallback = defaultStack): Command {
  return command.argument("[stack]", "the Pulumi stack, one per developer", stackName, fallback);
}

/** Refuses names that Pulumi itself refuses. config/stackName.ts has the runtimes' rules. */
export function stackName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return name;
  throw new InvalidArgumentError('Allowed: letters, digits, ".", "-", "_"');
}

/** For an option that takes a file to write. */
export function writableFile(file: string): string {
  if (fs.existsSync(path.dirname(path.resolve(file)))) return file;
  throw new InvalidArgumentError("Allowed: a file in an existing directory");
}

/** For an option that takes a file. */
export function existingFile(file: string): string {
  if (fs.existsSync(file)) return file;
  throw new InvalidArgumentError("Allowed: an existing file");
}
