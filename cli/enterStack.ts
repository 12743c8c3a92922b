import { stackEnvironment } from "../stacks/environment";
import { chooseRuntime } from "../stacks/stackFile";

/** Gives this process the tools and the state of a stack, for what asks pulumi about it. */
export async function enterStack(stack: string): Promise<void> {
  Object.assign(process.env, await stackEnvironment(stack, chooseRuntime(stack)));
}
