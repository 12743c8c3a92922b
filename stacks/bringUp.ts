import { clearAfterKill } from "./crashRecovery";
import type { Environment } from "../lib/run";
import { stackState, update, withoutCheckpoints } from "./stack";
import { chooseRuntime } from "./stackFile";

/**
 * How a local stack is brought up from nothing, in two updates: its clusters' names are claimed, then all of it comes, and the
 * state is written once, at the end.
 *
 * Written at each step it takes a fifth of the time, and with eight clusters nine tenths (docs/performance.md). There is
 * nothing yet that could be lost: all that is made lives in the clusters, and whatever comes after a kill finds them by
 * their claims, clears them and begins anew. An error or Ctrl-C writes the state before the end, as ever.
 */
export const fromNothing: Environment[] = [{ MESH_ONLY_CLAIMS: "true" }, withoutCheckpoints];

/**
 * Brings the stack up, or up to date.
 *
 * @param args flags of `pulumi up`
 * @returns pulumi's exit code
 */
export async function bringUp(stack: string, args: string[], env: Environment): Promise<number> {
  // Before the state is read, which may be what a kill left unreadable.
  await clearAfterKill(stack);
  const isNew = args.length === 0 && chooseRuntime(stack) !== "existing" && !(await hasClusters(stack, env));
  for (const how of isNew ? fromNothing : [{}]) {
    const code = await update("up", stack, args, env, how);
    if (code !== 0) return code;
  }
  return 0;
}

/** Whether the state knows a cluster to be there, or to have been. */
async function hasClusters(stack: string, env: Environment): Promise<boolean> {
  const { deployment } = (await stackState(stack, env)) as { deployment?: { resources?: { type: string }[] | null } };
  return (deployment?.resources ?? []).some(({ type }) => type === "pulumi:providers:kubernetes");
}
