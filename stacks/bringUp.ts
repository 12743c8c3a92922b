import { recoverFromCrash } from "./crashRecovery";
import { type Environment, say } from "../lib/run";
import { stackState, update, withoutCheckpoints } from "./stack";
import { chooseRuntime } from "./stackFile";

/**
 * The two updates that bring a local stack up from nothing. The first claims the names of its clusters. The second
 * creates everything else, and writes the state only once, at the end.
 *
 * Writing the state at each step takes a fifth of the time, and nine tenths with eight clusters (docs/performance.md).
 * A kill loses nothing: everything lives in the clusters. The next command finds them by their claims, clears them and
 * starts again. After an error or Ctrl-C the engine still writes the state before it ends.
 */
export const fromNothing: Environment[] = [{ MESH_ONLY_CLAIMS: "true" }, withoutCheckpoints];

/** On two cores, with images already pulled: docs/performance.md and docs/acceptance.md. */
const usualTime = { k3d: "a minute and a half", kwok: "half a minute" };

/**
 * Brings the stack up, or up to date.
 *
 * @param args flags of `pulumi up`
 * @returns pulumi's exit code
 */
export async function bringUp(stack: string, args: string[], env: Environment): Promise<number> {
  // Must come before the state is read: a killed engine may have left it unreadable.
  await recoverFromCrash(stack);
  const runtime = chooseRuntime(stack);
  const isNew = args.length === 0 && runtime !== "existing" && !(await hasClusters(stack, env));
  if (isNew) say(`Bringing stack ${stack} up from nothing. This usually takes ${usualTime[runtime]}.`);
  for (const how of isNew ? fromNothing : [{}]) {
    const code = await update("up", stack, args, env, how);
    if (code !== 0) return code;
  }
  return 0;
}

/** Whether the state contains a cluster, even one that no longer exists. */
async function hasClusters(stack: string, env: Environment): Promise<boolean> {
  const { deployment } = (await stackState(stack, env)) as { deployment?: { resources?: { type: string }[] | null } };
  return (deployment?.resources ?? []).some(({ type }) => type === "pulumi:providers:kubernetes");
}
