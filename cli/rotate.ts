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
import { exclusiveUpdate } from "../stacks/exclusiveUpdate";
import { project, readStackFile } from "../stacks/stackFile";

/** One update of a rotation: its settings, and the state it leads to. */
export interface RotationStep {
  what: string;
  settings: { trustAnchors?: number[]; issuerGeneration?: number };
}

/** The generations that the stack's certificates have now. */
export interface Generations {
  trustAnchors: number[];
  issuerGeneration: number;
}

type Kind = "issuers" | "anchor";

/** New issuers and webhook certificates under the existing anchor. */
export function issuerSteps({ issuerGeneration }: Generations): RotationStep[] {
  return [
    {
      what: "new issuers, and pods restarted",
      settings: { issuerGeneration: issuerGeneration + 1 },
    },
  ];
}

/**
 * A new trust anchor, in four updates. Each proxy trusts the certificates of all the others at every moment.
 *
 * The second update restarts only the control plane. Its pods restart side by side, so a proxy that starts then may
 * still get a certificate from the old issuer. The third update therefore restarts all pods, under issuers that only
 * the new anchor has signed. Only the fourth update drops the old anchor.
 *
 * The generations show that a rotation was interrupted. It continues with the step that may not have been finished.
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
  }).addArgument(new Argument("<certificates>", "what is renewed").choices(["issuers", "anchor"]));
  const [kind, stack] = parse(takesStack(command), words).args as [Kind, string];
  return exclusiveUpdate(stack, `npm run rotate -- ${kind} ${stack}`, () => rotate(kind, stack));
}

async function rotate(kind: Kind, stack: string): Promise<number> {
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
    say(`Step ${i + 1} of ${steps.length}: ${what}. A step usually takes a minute and a half on k3d.`);
    writeSettings(file, settings);
    const code = await start(stack);
    if (code !== 0) {
      say(`The rotation of stack ${stack} stopped here. Next: ${again} continues it`);
      return code;
    }
  }
  say(`Rotated. ${file} now records the generations of stack ${stack}: keep it.`);
  return 0;
}

async function clustersOf(stack: string): Promise<ClusterClient[]> {
  await enterStack(stack);
  return Object.values(await connectAll(await readStack(stack)));
}

function writeSettings(file: string, settings: RotationStep["settings"]): void {
  const document = parseDocument(fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "");
  for (const [key, value] of Object.entries(settings)) document.setIn(["config", `${project}:${key}`], value);
  fs.writeFileSync(file, document.toString());
}
