/** Runs the verb that the command line names. */
export async function runVerb(verbs: Record<string, () => Promise<void>>): Promise<void> {
  const verb = verbs[process.argv[2] ?? ""];
  if (!verb) throw new Error(`allowed: ${Object.keys(verbs).join(", ")}`);
  await verb().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
