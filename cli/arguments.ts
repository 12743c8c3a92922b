import { UserError } from "./run";

/** The stack that `npm start` raises by itself. */
const defaultStack = "rehearsal";

/** What `npm start`, `npm stop` and `npm run env` are told. */
export interface StackArguments {
  stack: string;
  runtime?: string;
  /** Flags for pulumi, as typed. */
  passedOn: string[];
}

/**
 * Reads `[stack] [--runtime <runtime>] [pulumi's flags]`. The stack comes first, since only pulumi knows which of its
 * flags take a value.
 *
 * @example parseStackArguments(["alice", "--runtime", "kwok", "--refresh"])
 */
export function parseStackArguments(args: string[]): StackArguments {
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const [stack = defaultStack, ...flags] = named ? args : [defaultStack, ...args];
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(stack)) {
    throw new UserError(`stack is ${stack}; allowed: letters, digits, ".", "-", "_". Next: npm start -- alice`);
  }
  const at = flags.findIndex((flag) => /^--runtime(=|$)/.test(flag));
  if (at < 0) return { stack, passedOn: flags };
  const [, inline] = /^--runtime=(.*)$/.exec(flags[at] ?? "") ?? [];
  const [, ...after] = flags.slice(inline === undefined ? at + 1 : at);
  const runtime = inline ?? flags[at + 1];
  if (!runtime) throw new UserError("--runtime has no value; allowed: k3d, kwok, existing");
  return { stack, runtime, passedOn: [...flags.slice(0, at), ...after] };
}

/** For commands that take a stack and nothing else. */
export function parseStackOnly(args: string[], command: string): string {
  const { stack, runtime, passedOn } = parseStackArguments(args);
  const extra = runtime ? ["--runtime"] : passedOn;
  if (extra.length > 0) throw new UserError(`${command} got ${extra.join(" ")}; allowed: the name of a stack`);
  return stack;
}
