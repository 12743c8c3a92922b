import { parseStackArguments } from "./arguments";
import { stackEnvironment } from "./stack";
import { chooseRuntime } from "./stackFile";

/**
 * Runs a program that asks pulumi about a stack: `[stack] [flags]`, with the tools and the state where it finds them.
 *
 * @param program takes `--stack <name>` and the flags
 */
export async function withStack(args: string[], program: (args: string[]) => Promise<number>): Promise<number> {
  const { stack, passedOn } = parseStackArguments(args);
  Object.assign(process.env, await stackEnvironment(stack, chooseRuntime(stack)));
  return program(["--stack", stack, ...passedOn]);
}
