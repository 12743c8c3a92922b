import * as path from "node:path";
import { listOf, newCommand, parse, takesStack, writableFile } from "../lib/commandLine";
import { UserError } from "../lib/run";

/** The command line of `npm run acceptance`. */
export interface AcceptanceArguments {
  stack: string;
  /** Ids of the steps to run, in their order. */
  chosen: string[];
  leftOut: string[];
  /** Whether `--only` names the step that destroys the stack. */
  destroyNamed: boolean;
  keep: boolean;
  requireLinkerd: boolean;
  json?: string;
  junit?: string;
}

/** Its own default, so that the run does not destroy a mesh that is in use. */
const acceptanceStack = "acceptance";

/** Steps at the end of a run that brings a stack up. `--keep` leaves them out. */
const cleanup = ["destroy", "nothing-left"];

/** @throws UserError naming the flag, its value and what is allowed */
export function parseArguments(words: string[], steps: readonly { id: string; title: string }[]): AcceptanceArguments {
  const ids = steps.map(({ id }) => id);
  const command = newCommand("acceptance", "Run the whole life cycle on real k3d clusters, from nothing to nothing.", {
    "npm run acceptance": "all of it, about half an hour",
    "npm run acceptance -- dev --only verify,scale": "single steps, on a stack that is up",
  })
    .option("--only <steps>", "only these; without up-from-nothing they run on a stack that is up", listOf(ids))
    .option("--skip <steps>", "all steps but these", listOf(ids))
    .option("--keep", "do not destroy the stack at the end", false)
    .option("--json <file>", "write the report as JSON", writableFile)
    .option("--junit <file>", "write the report as JUnit XML", writableFile)
    .option("--require-linkerd", "refuse to run where there is no linkerd on PATH and LINKERD is not set", false)
    .addHelpText(
      "after",
      "\nThe stack's settings come from Pulumi.<stack>.yaml and Pulumi.yaml, as for npm start.\n\nSteps:\n" +
        `${steps.map(({ id, title }) => `  ${id.padEnd(27)} ${title}`).join("\n")}`,
    );
  const { args, options } = parse<Options>(takesStack(command, acceptanceStack), words);
  const stack = args[0] as string;
  const { keep, requireLinkerd, json, junit, only = [], skip = [] } = options;
  const dropped = skip.find((id) => cleanup.includes(id));
  if (dropped !== undefined) {
    throw new UserError(`--skip is ${dropped}; use --keep. Next: npm run acceptance -- ${stack} --keep`);
  }
  const isChosen = (id: string): boolean => {
    if (keep && cleanup.includes(id)) return false;
    // A run that brings a stack up also destroys it.
    if (cleanup.includes(id) && only.includes("up-from-nothing")) return true;
    return (only.length === 0 || only.includes(id)) && !skip.includes(id);
  };
  const chosen = ids.filter(isChosen);
  if (chosen.length === 0) throw new UserError(`no step is left to run; allowed: ${ids.join(", ")}`);
  return {
    stack,
    chosen,
    leftOut: ids.filter((id) => !isChosen(id)),
    destroyNamed: only.includes("destroy"),
    keep,
    requireLinkerd,
    json: json === undefined ? undefined : path.resolve(json),
    junit: junit === undefined ? undefined : path.resolve(junit),
  };
}

/** The options as commander parses them. */
interface Options {
  only?: string[];
  skip?: string[];
  keep: boolean;
  requireLinkerd: boolean;
  json?: string;
  junit?: string;
}
