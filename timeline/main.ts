import * as fs from "node:fs";
import * as path from "node:path";
import { existingFile, newCommand, parse, takesStack, writableFile } from "../lib/commandLine";
import { root, stateDirectory } from "../lib/paths";
import { existingStackEnvironment, stackState } from "../stacks/stack";
import { criticalPath } from "./criticalPath";
import { lastLog, readUpdate } from "../stacks/updateEvents";
import { readGraph, type State } from "./graph";
import { placesOf } from "./names";
import { draw } from "./svg";
import { describe } from "./words";

/** Arguments of `npm run timeline`. */
export interface TimelineArguments {
  stack: string;
  /** File for the picture. Default: `.state/timeline-<stack>.svg` */
  out: string;
  /** A file written by `pulumi up --event-log FILE`. Default: the stack's last update by an npm script. */
  events?: string;
}

/**
 * `npm run timeline [-- stack] [--out FILE.svg] [--events FILE]`: shows what the stack's last update waited for, in
 * words and as a picture.
 */
export async function run(args: string[]): Promise<number> {
  const { stack, out, events } = parseArguments(args);
  const env = await existingStackEnvironment(stack);
  const log = events ?? lastLog(path.join(stateDirectory, "events"), stack);
  const update = readUpdate(fs.readFileSync(log, "utf8"));
  const graph = readGraph((await stackState(stack, env)) as State);

  const placeOf = placesOf(update);
  const critical = criticalPath(update, graph);
  const name = path.basename(log, ".json");
  for (const line of describe(update, critical, placeOf)) console.log(line);
  fs.writeFileSync(out, draw(name, update, critical, placeOf));
  console.log(`Drawn: ${path.relative(process.cwd(), path.resolve(root, out))}`);
  return 0;
}

/** @throws UserError for anything but a stack's name, --out, and --events with an existing file */
export function parseArguments(words: string[]): TimelineArguments {
  const command = newCommand("timeline", "Show what a stack's last update waited for, in words and as a picture.", {
    "npm run timeline -- dev": "the last update by npm start, stop, rotate or rebuild",
    "npm run timeline -- dev --events events.json": "of pulumi up --event-log events.json",
  })
    .option("--out <file.svg>", "where the picture goes (default: .state/timeline-<stack>.svg)", writableFile)
    .option("--events <file>", "what the engine wrote, instead of the last update by an npm script", existingFile);
  const { args, options } = parse<{ out?: string; events?: string }>(takesStack(command), words);
  const stack = args[0] as string;
  const { out = path.join(stateDirectory, `timeline-${stack}.svg`), events } = options;
  return { stack, out: path.resolve(out), ...(events !== undefined && { events: path.resolve(events) }) };
}
