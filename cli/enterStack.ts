import { stackEnvironment } from "../stacks/environment";
import { chooseRuntime } from "../stacks/stackFile";

/** Sets this process's environment so that pulumi commands find a stack's tools and state. */
export async function enterStack(stack: string): Promise<void> {
  Object.assign(process.env, await stackEnvironment(stack, chooseRuntime(stack)));
}
