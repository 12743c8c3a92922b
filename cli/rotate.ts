import * as fs from "node:fs";
import { parseDocument } from "yaml";
import { parseStackOnly } from "./arguments";
import { run as raise } from "./start";
import { say, UserError } from "./run";
import { project, readSettings } from "./stackFile";

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
  return [{ what: "new issuers, and pods restarted", settings: { issuerGeneration: issuerGeneration + 1 } }];
}

/**
 * A new trust anchor, in four updates: at every moment each proxy trusts what every other one shows.
 *
 * The control plane restarts all at once, so a proxy of it may still be given a certificate of the issuer before. That is
 * why the pods restart once more, under issuers that only the new anchor signed, before the old anchor is dropped.
 *
 * A rotation that was interrupted is told from the generations and goes on where it stopped, beginning with the step
 * that may not have been finished.
 */
export function anchorSteps({ trustAnchors, issuerGeneration }: Generations): RotationStep[] {
  const [first = 1, second] = trustAnchors;
  const [from, to] = second === undefined ? [first, first + 1] : [Math.min(first, second), Math.max(first, second)];
  const steps = [
    { what: "both anchors trusted everywhere", settings: { trustAnchors: [from, to] } },
    { what: "issuers signed by the new anchor", settings: { trustAnchors: [to, from] } },
    { what: "no pod with a certificate of before", settings: { issuerGeneration: issuerGeneration + 1 } },
    { what: "the old anchor dropped", settings: { trustAnchors: [to] } },
  ];
  return steps.slice(second === undefined || first < second ? 0 : 1);
}

/** `npm run rotate -- issuers|anchor [stack]` */
export async function run([kind, ...rest]: string[]): Promise<number> {
  const stepsOf = { issuers: issuerSteps, anchor: anchorSteps }[kind ?? ""];
  if (!stepsOf) {
    throw new UserError(`rotate got ${kind ?? "nothing"}; allowed: issuers, anchor. Next: npm run rotate -- issuers`);
  }
  const stack = parseStackOnly(rest, "rotate");
  const { file, get } = readSettings(stack);
  const steps = stepsOf({
    trustAnchors: get("trustAnchors") as number[],
    issuerGeneration: get("issuerGeneration") as number,
  });
  for (const [i, { what, settings }] of steps.entries()) {
    say(`Step ${i + 1} of ${steps.length}: ${what}`);
    writeSettings(file, settings);
    const code = await raise([stack]);
    if (code !== 0) {
      const next = steps.length === 1 ? `npm start -- ${stack}` : `npm run rotate -- anchor ${stack}`;
      say(`The rotation of stack ${stack} stopped here. Next: ${next} goes on with it`);
      return code;
    }
  }
  say(`Rotated. ${file} now says which generations stack ${stack} has: keep it.`);
  return 0;
}

function writeSettings(file: string, settings: RotationStep["settings"]): void {
  const document = parseDocument(fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "");
  for (const [key, value] of Object.entries(settings)) document.setIn(["config", `${project}:${key}`], value);
  fs.writeFileSync(file, document.toString());
}
