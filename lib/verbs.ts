import { inspect } from "node:util";
import { UserError } from "./run";

/** Runs the verb that the command line names. */
export async function runVerb(verbs: Record<string, () => Promise<void>>): Promise<void> {
  const verb = verbs[process.argv[2] ?? ""];
  if (!verb) throw new Error(`allowed: ${Object.keys(verbs).join(", ")}`);
  await runToEnd(verb);
}

/** Runs a program of the graph. A refusal is printed without a stack trace, and any other error with one. */
export async function runToEnd(program: () => Promise<void>): Promise<void> {
  await program().catch((error: unknown) => {
    console.error(error instanceof UserError ? error.message : inspect(error));
    process.exitCode = 1;
  });
}
