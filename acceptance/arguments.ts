import * as path from "node:path";
import { parseArgs } from "node:util";
import { parseStackArguments } from "../cli/arguments";
import { UserError } from "../cli/run";

/** What `npm run acceptance` is told. */
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

/** A name of its own, so that the run destroys nobody's mesh. */
const defaultStack = "acceptance";

/** Steps that a run which brings a stack up does at its end, unless it keeps it. */
const cleanup = ["destroy", "nothing-left"];

export function usage(steps: readonly { id: string; title: string }[]): string {
  return `npm run acceptance -- [stack] [options]   the whole life cycle on real k3d clusters, from nothing to nothing

The default stack is ${defaultStack}. Settings come from Pulumi.<stack>.yaml and Pulumi.yaml, as for npm start.

  --only STEP,...     only these steps; without up-from-nothing they run on a stack that is up
  --skip STEP,...     all steps but these
  --keep              do not destroy the stack at the end
  --json FILE         the report as JSON
  --junit FILE        the report as JUnit XML
  --require-linkerd   refuse to run where there is no linkerd on PATH and LINKERD is not set

Steps:
${steps.map(({ id, title }) => `  ${id.padEnd(27)} ${title}`).join("\n")}`;
}

/** @throws UserError naming the flag, its value and what is allowed */
export function parseArguments(args: string[], ids: readonly string[]): AcceptanceArguments {
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const { stack, runtime, passedOn } = parseStackArguments(named ? args : [defaultStack, ...args]);
  if (runtime !== undefined) throw new UserError("acceptance got --runtime; it runs on k3d only");
  const values = parse(passedOn);
  const { keep, json, junit } = values;
  const [only, skip] = [list("only", values.only, ids), list("skip", values.skip, ids)];
  const dropped = skip.find((id) => cleanup.includes(id));
  if (dropped !== undefined) {
    throw new UserError(`--skip is ${dropped}; use --keep. Next: npm run acceptance -- ${stack} --keep`);
  }
  const isChosen = (id: string): boolean => {
    if (keep && cleanup.includes(id)) return false;
    // Whoever brings a stack up destroys it.
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
    requireLinkerd: values["require-linkerd"],
    json: json === undefined ? undefined : path.resolve(json),
    junit: junit === undefined ? undefined : path.resolve(junit),
  };
}

function parse(args: string[]) {
  const many = { type: "string", multiple: true, default: [] as string[] } as const;
  const flag = { type: "boolean", default: false } as const;
  const text = { type: "string" } as const;
  try {
    const options = { only: many, skip: many, keep: flag, "require-linkerd": flag, json: text, junit: text };
    return parseArgs({ args, options }).values;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `${problem}; allowed: --only, --skip, --keep, --json, --junit, --require-linkerd. Next: npm run acceptance -- --help`,
    );
  }
}

function list(name: string, given: readonly string[], ids: readonly string[]): string[] {
  const values = given.flatMap((value) => value.split(","));
  const unknown = values.find((value) => !ids.includes(value));
  if (unknown === undefined) return values;
  throw new UserError(`--${name} is ${unknown}; allowed: ${ids.join(", ")}. Next: npm run acceptance -- --help`);
}
