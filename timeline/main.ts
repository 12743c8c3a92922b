import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { parseStackArguments } from "../cli/arguments";
import { backendEnvironment } from "../cli/backend";
import { root, stateDirectory } from "../cli/paths";
import { prepareTools, searching } from "../cli/prepare";
import { type Environment, UserError } from "../cli/run";
import { stackState } from "../cli/stack";
import { chooseRuntime } from "../cli/stackFile";
import { criticalPath } from "./criticalPath";
import { readUpdate } from "./events";
import { readGraph, type State } from "./graph";
import { placesOf } from "./names";
import { draw } from "./svg";
import { describe } from "./words";

/** What `npm run timeline` is told. */
export interface TimelineArguments {
  stack: string;
  /** Where the picture goes. Default: `.state/timeline-<stack>.svg` */
  out: string;
  /** What `pulumi up --event-log FILE` wrote. Default: the stack's last update by an npm script. */
  events?: string;
}

/**
 * `npm run timeline [-- stack] [--out FILE.svg] [--events FILE]`: what the stack's last update waited for, in words and as a
 * picture.
 */
export async function run(args: string[]): Promise<number> {
  const { stack, out, events } = parseArguments(args);
  const log = events ?? lastLog(path.join(stateDirectory, "events"), stack);
  const update = readUpdate(fs.readFileSync(log, "utf8"));
  const env: Environment = { ...backendEnvironment(), ...searching(await prepareTools(chooseRuntime(stack))) };
  const graph = readGraph((await stackState(stack, env)) as State);

  const placeOf = placesOf(update);
  const critical = criticalPath(update, graph);
  const name = path.basename(log, ".json");
  for (const line of describe(update, critical, placeOf)) console.log(line);
  fs.writeFileSync(out, draw(name, update, critical, placeOf));
  console.log(`Drawn: ${path.relative(process.cwd(), path.resolve(root, out))}`);
  return 0;
}

/** @throws UserError for anything but the name of a stack, --out and --events with a file that is there */
export function parseArguments(args: string[]): TimelineArguments {
  const { stack, passedOn } = parseStackArguments(args);
  const refuse = (problem: string) =>
    new UserError(`${problem}; allowed: --out FILE.svg, --events FILE. Next: npm run timeline -- ${stack}`);
  const text = { type: "string" } as const;
  let values: { out?: string; events?: string };
  try {
    ({ values } = parseArgs({ args: passedOn, options: { out: text, events: text } }));
  } catch (error) {
    throw refuse((error as Error).message);
  }
  const { out = path.join(stateDirectory, `timeline-${stack}.svg`), events } = values;
  if (events !== undefined && !fs.existsSync(events)) throw refuse(`--events is ${events}, which is not there`);
  return { stack, out: path.resolve(out), ...(events !== undefined && { events: path.resolve(events) }) };
}

/** @throws UserError when no update of the stack was kept */
export function lastLog(directory: string, stack: string): string {
  // The time, since one stack's name may begin with another's.
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
  const last = names
    .filter(
      (name) => name.startsWith(`${stack}-`) && /^\d{4}-\d\d-\d\dT[\d-]+Z\.json$/.test(name.slice(stack.length + 1)),
    )
    .sort()
    .at(-1);
  if (!last) {
    throw new UserError(
      `stack ${stack} has no kept update: npm start and npm stop keep theirs. Next: npm start -- ${stack}`,
    );
  }
  return path.join(directory, last);
}
