import * as fs from "node:fs";
import type { Result as Answer } from "../../verify/check";
import type { Context } from "../context";
import { extensionCategory, linkerdCheck } from "../linkerd";
import { type Figures, NotRun, type Step, StepFailed } from "../runner";

const noLinkerd = "there is no linkerd on PATH, and LINKERD is not set";

/** Reads the report of `npm run verify --json`: counts by answer, and the reasons of checks that do not apply. */
export function readAnswers(text: string): { figures: Figures; unreasoned: string[]; no: string[] } {
  const { results } = JSON.parse(text) as { results: Answer[] };
  const of = (answer: Answer["answer"]) => results.filter((result) => result.answer === answer);
  const reasons = [...new Set(of("not applicable").map(({ why }) => why))];
  const figures: Figures = {
    yes: of("yes").length,
    no: of("no").length,
    "not applicable": of("not applicable").length,
    ...(reasons.length > 0 && { because: reasons }),
  };
  return {
    figures,
    unreasoned: of("not applicable").flatMap(({ id, on, why }) => (why.trim() === "" ? [`${id} (${on})`] : [])),
    no: of("no").map(({ id, on, why }) => `${id} (${on}): ${why}`),
  };
}

/**
 * Runs the checks and counts the answers.
 *
 * @throws StepFailed for a no, and for a check that does not apply without a reason
 */
export async function runVerify({ product }: Context, figures: Figures): Promise<void> {
  const file = product.keep("verify.json", "");
  let failure: Error | undefined;
  try {
    await product.script("verify", product.stack, "--json", file);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const text = fs.readFileSync(file, "utf8");
  // Without a report, verify stopped before it asked.
  if (text === "") throw failure ?? new StepFailed("npm run verify wrote no report");
  const { unreasoned, no, ...answers } = readAnswers(text);
  Object.assign(figures, answers.figures);
  if (no.length > 0) throw new StepFailed(no.join("\n"));
  if (failure !== undefined) throw failure;
  if (unreasoned.length > 0) throw new StepFailed(`without a reason: ${unreasoned.join(", ")}`);
}

export const verifySteps: Step<Context>[] = [
  {
    id: "verify",
    title: "npm run verify",
    asserts: "it succeeds without a no, and gives a reason for every check that does not apply",
    needs: ["up-from-nothing"],
    run: runVerify,
  },
  {
    id: "linkerd-check",
    title: "The user's own linkerd check",
    asserts:
      "it passes in every cluster; its multicluster part is not counted, because the links' names do not resolve here",
    needs: ["up-from-nothing"],
    async run({ linkerd, mesh }, figures) {
      if (linkerd === undefined) throw new NotRun(noLinkerd);
      const { clusters } = await mesh();
      const failed: string[] = [];
      for (const { name, context } of Object.values(clusters)) {
        const all = await linkerdCheck(linkerd, context);
        const own = all.filter(({ category }) => category !== extensionCategory);
        figures[name] = `${own.length} failed, and ${all.length - own.length} of the multicluster extension`;
        failed.push(...own.map(({ what }) => `${name}: ${what}`));
      }
      if (failed.length > 0) throw new StepFailed(failed.join("\n"));
    },
  },
  {
    id: "linkerd-multicluster-check",
    title: "The user's own linkerd multicluster check",
    asserts: "npm run verify -- --linkerd passes in every cluster",
    needs: ["up-from-nothing"],
    async run({ linkerd, product }) {
      if (linkerd === undefined) throw new NotRun(noLinkerd);
      await product.script("verify", product.stack, "--linkerd");
    },
  },
];
