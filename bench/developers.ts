import * as path from "node:path";
import { root } from "../lib/paths";
import type { Lab } from "./lab";
import type { Results } from "./results";
import { rehearsalConfig, tell } from "./steps";

/** Stacks on one backend. */
const stackCount = 20;

/** How many of them are previewed at once. */
const atOnce = 5;

/**
 * Previews of many stacks on one backend: one after the other, then several at once. The stacks are not up, so the
 * previews need no clusters and list everything as new.
 */
export async function measureDevelopers(lab: Lab, rounds: number, results: Results): Promise<void> {
  const names = Array.from({ length: stackCount }, (_, i) => `developer-${i + 1}`);
  const stacks = [];
  for (const name of names) {
    stacks.push(await lab.stack(name, await rehearsalConfig(["east", "west"], path.join(root, "manifests"))));
  }
  const [first] = stacks;
  const last = stacks.at(-1);
  // The first preview fills caches (files, compiled TypeScript, rendered charts).
  await first?.pulumi("preview");
  for (let round = 1; round <= rounds; round++) {
    for (const stack of stacks) {
      const cost = await tell(round, `preview, ${names[stacks.indexOf(stack)]}`, stack.pulumi("preview"));
      results.add(`preview, ${stackCount} stacks in a row`, cost);
      if (stack === first) results.add(`preview, the first of ${stackCount} stacks`, cost);
      if (stack === last) results.add(`preview, the last of ${stackCount} stacks`, cost);
    }
    const figure = `preview, ${atOnce} stacks at once`;
    results.add(figure, await tell(round, figure, lab.previewAtOnce(names.slice(0, atOnce))));
  }
}
