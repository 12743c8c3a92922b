import { whichProgram } from "../lib/files";
import { capture } from "../lib/run";

/** The user's own `linkerd`: $LINKERD, as `npm run verify -- --linkerd` takes it, else the one on PATH. */
export async function findLinkerd(): Promise<string | undefined> {
  return process.env.LINKERD || (await whichProgram("linkerd"));
}

interface CheckOutput {
  categories?: { categoryName: string; checks?: { description: string; error?: string; result: string }[] }[];
}

/** One check of `linkerd check` that failed. */
export interface FailedCheck {
  category: string;
  what: string;
}

/** Checks of the multicluster extension, which `linkerd check` runs as well. */
export const extensionCategory = "linkerd-multicluster";

/**
 * Reads what `linkerd check --output json` printed: one document of its own, and one for each extension.
 *
 * @returns the checks that failed; warnings do not count
 */
export function failedChecks(text: string): FailedCheck[] {
  const documents = text.split(/(?<=^\}\n)/m).filter((document) => document.trim() !== "");
  return documents.flatMap((document) =>
    ((JSON.parse(document) as CheckOutput).categories ?? []).flatMap(({ categoryName, checks }) =>
      (checks ?? [])
        .filter(({ result }) => result === "error")
        .map(({ description, error = "" }) => ({ category: categoryName, what: `${description}: ${error}` })),
    ),
  );
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
