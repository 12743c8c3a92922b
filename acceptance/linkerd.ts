import { whichProgram } from "../lib/files";
import { capture } from "../lib/run";
import { checkResults } from "../verify/linkerd";

/** The user's own `linkerd`: $LINKERD, as for `npm run verify -- --linkerd`, or else the one on PATH. */
export async function findLinkerd(): Promise<string | undefined> {
  return process.env.LINKERD || (await whichProgram("linkerd"));
}

/** One check of `linkerd check` that failed. */
export interface FailedCheck {
  category: string;
  what: string;
}

/** Category of the multicluster extension's checks. `linkerd check` runs these as well. */
export const extensionCategory = "linkerd-multicluster";

/**
 * Reads the output of `linkerd check --output json`.
 *
 * @returns the checks that failed, without warnings
 */
export function failedChecks(text: string): FailedCheck[] {
  return checkResults(text)
    .filter(({ result }) => result === "error")
    .map(({ category, description, error = "" }) => ({ category, what: `${description}: ${error}` }));
}

/** Runs `linkerd check` against a context of the user's kubeconfig. */
export async function linkerdCheck(linkerd: string, context: string): Promise<FailedCheck[]> {
  const args = ["check", "--context", context, "--wait", "30s", "--output", "json"];
  const { stdout, stderr, code } = await capture(linkerd, args);
  try {
    return failedChecks(stdout);
  } catch {
    throw new Error(`${linkerd} ${args.join(" ")} ended with ${code}: ${(stderr || stdout).trim().slice(-1000)}`);
  }
}
