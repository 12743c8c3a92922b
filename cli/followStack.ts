import type { Command } from "commander";
import { existingFile, parse, takesStack } from "../lib/commandLine";
import { follow } from "../status/follow";
import type { MeshStatus } from "../status/model";
import { readStack } from "../verify/stack";
import { enterStack } from "./enterStack";

/**
 * Reads the command line of a command that shows a running mesh, and connects to the mesh. Adds the stack and
 * `--outputs` to the command's own options.
 *
 * @returns `ask`, which asks all clusters once per call
 * @throws UserError when the command line is wrong, or the stack is not up
 */
export async function followStack<Options extends object>(
  command: Command,
  words: string[],
): Promise<{ stack: string; options: Options; ask: () => Promise<MeshStatus> }> {
  const help = "the stack's outputs: pulumi stack output --json --show-secrets";
  takesStack(command).option("--outputs <file>", help, existingFile);
  const { args, options } = parse<Options & { outputs?: string }>(command, words);
  const stack = args[0] as string;
  await enterStack(stack, options.outputs);
  return { stack, options, ask: await follow(await readStack(stack, options.outputs)) };
}
