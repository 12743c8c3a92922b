import { alone, leftBroken, restoreLeft } from "../drill/record";
import { say } from "../lib/run";
import { exclusiveUpdate } from "../stacks/exclusiveUpdate";
import { heal } from "../verify/main";
import { healOptions } from "../verify/options";
import { readStack } from "../verify/stack";
import { enterStack } from "./enterStack";

/** `npm run heal [-- stack] [options]` */
export async function run(words: string[]): Promise<number> {
  const options = healOptions(words);
  const { stack, outputs, dryRun } = options;
  await enterStack(stack, outputs);
  return alone(stack, async () => {
    const broken = await leftBroken(stack);
    if (broken !== undefined && dryRun) {
      say(`Would restore what a killed ${broken} broke, and then look for faults.`);
      return 1;
    }
    if (dryRun) return heal(options);
    return exclusiveUpdate(stack, `npm run heal -- ${stack}`, async () => {
      // Standard input can be read only once, and heal reads it.
      if (broken !== undefined) await restoreLeft(await readStack(stack, outputs === "-" ? undefined : outputs));
      return heal(options);
    });
  });
}
