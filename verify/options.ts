import { type Command, Option } from "commander";
import { existingFile, listOf, newCommand, parse, takesStack, wholeNumber, writableFile } from "../lib/commandLine";
import { UserError } from "../lib/run";
import { externalParts, groups, type ExternalPart } from "./check";
import { checks } from "./allChecks";

/** The command line of `verify` and `heal`. */
export interface Options {
  stack: string;
  /** A file with the stack's outputs, secrets included; `-` for standard input. Default: Pulumi is asked. */
  outputs?: string;
  /** Deadline of every check, in seconds. Default: each check has its own. */
  deadline?: number;
  /** Groups or ids of checks. Default: all. */
  only?: string[];
  json?: string;
  junit?: string;
  quiet?: boolean;
  linkerd?: boolean;
  /** Parts that a test runs outside the clusters. */
  external?: ExternalPart[];
  dryRun?: boolean;
}

/**
 * Reads the command line of `npm run verify`.
 *
 * @throws UserError naming what is not allowed
 */
export function verifyOptions(words: string[]): Options {
  const command = newCommand(
    "verify",
    "Check a running mesh. Exits with 1 if an answer is no, and with 2 if it could not ask.",
    {
      "npm run verify -- dev": "all checks of stack dev",
      "npm run verify -- dev --only traffic --only mirror": "two groups of checks",
      "npm run verify -- dev --quiet --junit report.xml": "for CI",
    },
  )
    .option(
      "--only <group|id>",
      `only these, repeatable: ${groups.join(", ")}, or an id from docs/verify.md`,
      listOf(known),
    )
    .option("--json <file>", "write the report as JSON", writableFile)
    .option("--junit <file>", "write the report as JUnit XML", writableFile)
    .option("--quiet", "show only failures and the summary")
    .option(
      "--linkerd",
      'run your own "linkerd multicluster check" where the clusters\' names resolve, and nothing else',
    );
  const options = read(command, words);
  const ignored = (["only", "json", "junit"] as const).find((option) => options[option] !== undefined);
  if (options.linkerd && ignored) {
    throw new UserError(
      `--${ignored} is given with --linkerd, which runs nothing else. Next: ${command.name()} --help`,
    );
  }
  return options;
}

/**
 * Reads the command line of `npm run heal`.
 *
 * @throws UserError naming what is not allowed
 */
export function healOptions(words: string[]): Options {
  const command = newCommand(
    "heal",
    "Wait until a mesh is up (three minutes at most), then repair faults that no update sees.",
    {
      "npm run heal -- dev": "after clusters or Docker were started",
      "npm run heal -- dev --dry-run": "show what would be repaired",
    },
  ).option("--dry-run", "show what would be done");
  return read(command, words);
}

const known = [...groups, ...checks.map(({ id }) => id)];

function read(command: Command, words: string[]): Options {
  takesStack(command)
    .option(
      "--outputs <file>",
      "the stack's outputs: pulumi stack output --json --show-secrets; - is standard input",
      (file: string) => (file === "-" ? file : existingFile(file)),
    )
    .option("--deadline <seconds>", "deadline of every check, instead of its own", wholeNumber(1, 3600))
    // For this project's tests: parts that run outside the clusters.
    .addOption(new Option("--external <parts>").hideHelp().argParser(listOf(externalParts)));
  const { args, options } = parse<Omit<Options, "stack">>(command, words);
  return { stack: args[0] as string, ...options };
}
