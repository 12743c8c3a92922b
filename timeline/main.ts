import * as fs from "node:fs";
import * as path from "node:path";
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

/** `npm run timeline [-- stack] [--out FILE.svg]`: what the stack's last update waited for, in words and as a picture. */
export async function run(args: string[]): Promise<number> {
  const { stack, out } = parseArguments(args);
  const log = lastLog(path.join(stateDirectory, "events"), stack);
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

/** @throws UserError for anything but the name of a stack and --out */
export function parseArguments(args: string[]): { stack: string; out: string } {
  const { stack, passedOn } = parseStackArguments(args);
  const [flag, file, ...more] = passedOn;
  if (flag === undefined) return { stack, out: path.join(stateDirectory, `timeline-${stack}.svg`) };
  if (flag !== "--out" || !file || more.length > 0) {
    throw new UserError(
      `timeline got ${passedOn.join(" ")}; allowed: --out FILE.svg. Next: npm run timeline -- ${stack} --out update.svg`,
    );
  }
  return { stack, out: path.resolve(file) };
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
