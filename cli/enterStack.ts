import { environmentWithoutCharts } from "../stacks/environment";
import { existingStackEnvironment } from "../stacks/stack";
import { chooseRuntime } from "../stacks/stackFile";

/**
 * Sets this process's environment so that pulumi commands find a stack's tools and state.
 *
 * @param outputs where the stack's outputs come from, if not from Pulumi. Then this machine need not have the stack
 * @throws UserError when there is no such stack
 */
export async function enterStack(stack: string, outputs?: string): Promise<void> {
  const env =
    outputs === undefined
      ? await existingStackEnvironment(stack)
      : await environmentWithoutCharts(chooseRuntime(stack));
  Object.assign(process.env, env);
}
