import { writeFile } from "node:fs/promises";
import { painter } from "../lib/terminal";
import { UserError } from "../lib/run";
import { connectAll, isOwnFault, reason, type ClusterClient } from "./api";
import { ask, type Asking } from "./ask";
import type { Check } from "./check";
import { checks } from "./allChecks";
import { GroupedReport } from "./groupedReport";
import { heal as healMesh } from "./heal";
import { multiclusterCheck } from "./linkerd";
import type { Options } from "./options";
import { json, junit, summary } from "./report";
import { TestNamespaces } from "./testNamespaces";
import { readStack, type Stack } from "./stack";
import { Deadline, Interrupted } from "./watch";

/**
 * Checks the mesh of a running stack and reports.
 *
 * @returns 0 if nothing failed, 1 if something did, 2 if the mesh could not be asked, 130 or 143 when a signal ended it
 * @example await verify(verifyOptions(["dev", "--only", "traffic", "--junit", "report.xml"]))
 */
export const verify = (options: Options): Promise<number> => askStack(options, verifyStack);

/**
 * Repairs the faults that `verify` finds in its group `damage`.
 *
 * @returns 0 if no fault is left, 1 if one is, 2 if the mesh could not be asked
 * @example await heal(healOptions(["dev", "--dry-run"]))
 */
export const heal = (options: Options): Promise<number> => askStack(options, healStack);

interface Run {
  options: Options;
  stack: Stack;
  clusters: Record<string, ClusterClient>;
  testNamespaces: TestNamespaces;
  signal: AbortSignal;
}

async function askStack(options: Options, body: (run: Run) => Promise<number>): Promise<number> {
  const stop = new AbortController();
  let exit = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    exit = signal === "SIGINT" ? 130 : 143;
    console.error(`\n${signal}: cleaning up`);
    stop.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const stack = await readStack(options.stack, options.outputs);
    if (options.linkerd) return await multiclusterCheck(stack);
    const clusters = await connectAll(stack);
    const testNamespaces = new TestNamespaces(Object.values(clusters));
    return await body({ options, stack, clusters, testNamespaces, signal: stop.signal });
  } catch (error) {
    if (error instanceof Interrupted) return exit;
    // A clean-up that failed is reported even after a signal.
    console.error(error instanceof UserError ? error.message : isOwnFault(error) ? error.stack : reason(error));
    return stop.signal.aborted ? exit : 2;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/**
 * Waits until each cluster answers. Every check of a cluster that does not would say no.
 *
 * @param patienceSeconds how long a cluster that was just started may take
 */
async function allAnswer({ stack, clusters, signal }: Run, patienceSeconds: number): Promise<void> {
  const deadline = new Deadline(patienceSeconds, signal);
  const answers = Object.values(clusters).map(async ({ name, context, core }) => {
    for (;;) {
      try {
        return await core.readNamespace({ name: "default" });
      } catch (error) {
        if (deadline.leftMs() === 0) {
          const next = `npm start -- ${stack.name}, which starts a stopped one`;
          throw new UserError(`cluster ${name} (${context}) does not answer: ${reason(error)}. Next: ${next}`);
        }
      }
      await deadline.pause();
    }
  });
  await Promise.all(answers);
}

async function verifyStack(run: Run): Promise<number> {
  await allAnswer(run, 0);
  const { options, stack, clusters, testNamespaces, signal } = run;
  const start = performance.now();
  const selected = select(options.only ?? []);
  const report = new GroupedReport({
    checks: selected,
    times: { cluster: Object.keys(clusters).length, link: stack.links.length },
    quiet: options.quiet ?? false,
    paint: painter(process.stdout),
    print: (text) => console.log(text),
  });
  const tell: Asking["tell"] = ({ result }) => report.add(result);
  const { deadline: deadlineSeconds } = options;
  const external = new Set(options.external);
  let left: string[];
  try {
    for (const swept of await testNamespaces.sweep()) console.log(`removed a leftover of a killed run: ${swept}`);
    await ask(selected, { stack, clusters, external, testNamespaces, signal, deadlineSeconds, tell });
  } finally {
    report.end();
    left = await testNamespaces.close();
    for (const name of left) console.error(`could not remove ${name}: delete it by hand`);
  }
  const seconds = (performance.now() - start) / 1000;
  const results = report.results();
  console.log(summary(results, seconds));
  if (options.json) await writeFile(options.json, json(stack.name, results, seconds));
  if (options.junit) await writeFile(options.junit, junit(stack.name, results));
  return left.length > 0 || results.some(({ answer }) => answer === "no") ? 1 : 0;
}

async function healStack(run: Run): Promise<number> {
  const { options, stack, clusters, testNamespaces, signal } = run;
  await allAnswer(run, 60);
  const { deadline: deadlineSeconds, dryRun = false } = options;
  const external = new Set(options.external);
  return healMesh({ stack, clusters, external, testNamespaces, signal, deadlineSeconds }, dryRun);
}

function select(only: readonly string[]): readonly Check[] {
  return only.length === 0 ? checks : checks.filter(({ id, group }) => only.includes(id) || only.includes(group));
}
