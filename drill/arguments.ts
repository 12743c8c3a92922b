import * as path from "node:path";
import { defaultStack, newCommand, parse, stackName, wholeNumber, writableFile } from "../lib/commandLine";
import { UserError } from "../lib/run";
import { drillIds, type DrillId } from "./drill";

/** The command line of `npm run drill`. */
export interface DrillArguments {
  stack: string;
  /** In the order in which they run. */
  chosen: readonly DrillId[];
  /** How long something stays broken. */
  seconds: number;
  /** The link to drill. Default: the one with the most mirrors. */
  source?: string;
  target?: string;
  breakExisting: boolean;
  json?: string;
  chart?: string;
}

const defaultSeconds = 20;

interface Options {
  all?: boolean;
  seconds: number;
  source?: string;
  target?: string;
  breakExisting?: boolean;
  json?: string;
  chart?: string;
}

/** @throws UserError naming the argument, its value and what is allowed */
export function drillArguments(words: string[]): DrillArguments {
  const command = newCommand(
    "drill",
    "Break one thing on purpose, see what still answers and who notices, and restore it.",
    {
      "npm run drill -- gateway dev": "dev's gateway is away for 20 seconds",
      "npm run drill -- pod dev --seconds 60": "for a minute",
      "npm run drill -- --all dev": "one after the other, with a table and a chart",
    },
  )
    .argument("[drill]", `what breaks: ${drillIds.join(", ")}; not with --all`)
    .argument("[stack]", `the Pulumi stack; default: ${defaultStack}`)
    .option("--all", "every drill, from the smallest loss to the largest; about a quarter of an hour")
    .option("--seconds <seconds>", "how long it stays broken", wholeNumber(1, 600), defaultSeconds)
    .option("--source <cluster>", "the cluster that mirrors; default: an end of the link with the most mirrors")
    .option("--target <cluster>", "the cluster whose services are mirrored")
    .option("--break-existing", "allow it in clusters of yours (runtime existing)")
    .option("--json <file>", "write the report as JSON", writableFile)
    .option("--chart <file>", "draw the requests as SVG", writableFile);
  const { args, options } = parse<Options>(command, words);
  const { all, breakExisting = false, json, chart, ...rest } = options;
  const [drill, stack, more] = all ? [undefined, ...(args as string[])] : (args as string[]);
  const next = `Next: ${command.name()} --help`;
  if (more !== undefined) throw new UserError(`--all is given with ${stack}, which it includes. ${next}`);
  const known = drillIds.find((id) => id === drill);
  if (!all && !known) {
    throw new UserError(`drill is ${drill ?? "missing"}; allowed: ${drillIds.join(", ")}, or --all. ${next}`);
  }
  try {
    if (stack !== undefined) stackName(stack);
  } catch (error) {
    throw new UserError(`stack is "${stack}"; ${(error as Error).message}. ${next}`, { cause: error });
  }
  return {
    ...rest,
    stack: stack ?? defaultStack,
    chosen: known ? [known] : drillIds,
    breakExisting,
    json: json && path.resolve(json),
    chart: chart && path.resolve(chart),
  };
}
