import * as fs from "node:fs";
import { parseDocument } from "yaml";
import { connectAll, reason, type ClusterClient } from "../verify/api";
import { rotationProblems } from "../verify/rotation";
import { readStack } from "../verify/stack";
import { Argument } from "commander";
import { newCommand, parse, takesStack } from "../lib/commandLine";
import { enterStack } from "./enterStack";
import { start } from "./start";
import { say, UserError } from "../lib/run";
import { project, readStackFile } from "../stacks/stackFile";

/** One update of a rotation: the settings it is made with, and what holds afterwards. */
export interface RotationStep {
  what: string;
  settings: { trustAnchors?: number[]; issuerGeneration?: number };
}

/** What the stack's certificates are made with now. */
export interface Generations {
  trustAnchors: number[];
  issuerGeneration: number;
}

/** New issuers and webhook certificates under the anchor that is there. */
export function issuerSteps({ issuerGeneration }: Generations): RotationStep[] {
  return [
    {
      what: "new issuers, and pods restarted",
      settings: { issuerGeneration: issuerGeneration + 1 },
    },
  ];
}

/**
 * A new trust anchor, in four updates: at every moment each proxy trusts what every other one shows.
 *
 * The second one restarts the control plane alone. Its pods restart side by side, so a proxy that started then could still
 * get a certificate of the old issuer. Pods restart in the third one, under issuers that only the new anchor signed, before
 * the fourth one drops the old anchor.
 *
 * A rotation that was interrupted is told from the generations. It goes on with the step that may not have been finished.
 */
export function anchorSteps({ trustAnchors, issuerGeneration }: Generations): RotationStep[] {
  const [first = 1, second] = trustAnchors;
  const [from, to] = second === undefined ? [first, first + 1] : [Math.min(first, second), Math.max(first, second)];
  const steps = [
    { what: "both anchors trusted everywhere", settings: { trustAnchors: [from, to] } },
    { what: "issuers signed by the new anchor", settings: { trustAnchors: [to, from] } },
    {
      what: "new certificates for all pods",
      settings: { issuerGeneration: issuerGeneration + 1 },
    },
    { what: "the old anchor dropped", settings: { trustAnchors: [to] } },
  ];
  return steps.slice(second === undefined || first < second ? 0 : 1);
}

/** `npm run rotate -- issuers|anchor [stack]` */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("rotate", "Get new certificates, and restart the pods that need them.", {
    "npm run rotate -- issuers": "new issuers under the same trust anchor (about a minute on k3d)",
    "npm run rotate -- anchor dev": "a new trust anchor, in four updates (about five minutes on k3d)",
  }).addArgument(new Argument("<what>", "what is renewed").choices(["issuers", "anchor"]));
  const [kind, stack] = parse(takesStack(command), words).args as ["issuers" | "anchor", string];
  const stepsOf = { issuers: issuerSteps, anchor: anchorSteps }[kind];
  const { file, get } = readStackFile(stack);
  const steps = stepsOf({
    trustAnchors: get("trustAnchors") as number[],
    issuerGeneration: get("issuerGeneration") as number,
  });
  const again = steps.length === 1 ? `npm start -- ${stack}` : `npm run rotate -- anchor ${stack}`;
  const clusters = await clustersOf(stack);
  const problems = await rotationProblems(clusters).catch((error: unknown) => {
    const next = `npm start -- ${stack}, which starts a stopped cluster`;
    throw new UserError(`the pods of stack ${stack} cannot be listed: ${reason(error)}. Next: ${next}`);
  });
  if (problems.length > 0) throw new UserError(["nothing was rotated, because:", ...problems].join("\n"));

  for (const [i, { what, settings }] of steps.entries()) {
    say(`Step ${i + 1} of ${steps.length}: ${what}`);
    writeSettings(file, settings);
    const code = await start(stack);
    if (code !== 0) {
      say(`The rotation of stack ${stack} stopped here. Next: ${again} goes on with it`);
      return code;
    }
  }
  say(`Rotated. ${file} now says which generations stack ${stack} has: keep it.`);
  return 0;
}

/** The stack's clusters. */
async function clustersOf(stack: string): Promise<ClusterClient[]> {
  await enterStack(stack);
  return Object.values(await connectAll(await readStack(stack)));
}

function writeSettings(file: string, settings: RotationStep["settings"]): void {
  const document = parseDocument(fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "");
  for (const [key, value] of Object.entries(settings)) document.setIn(["config", `${project}:${key}`], value);
  fs.writeFileSync(file, document.toString());
}
