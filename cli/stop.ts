import { defaultStack, newCommand, parse, takesStack } from "../lib/commandLine";
import { say } from "../lib/run";
import { environmentWithoutCharts } from "../stacks/environment";
import { exclusiveUpdate } from "../stacks/exclusiveUpdate";
import { isKnownAbsent, stackExists, update } from "../stacks/stack";
import { chooseRuntime } from "../stacks/stackFile";
import { pulumiFlags, takesPulumiFlags } from "./pulumiFlags";

/** `npm stop [-- stack] [options]` */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("stop", "Take a stack down: its local clusters, or what it put into clusters of yours.", {
    "npm stop": "take the rehearsal down",
    "npm stop -- dev": "take stack dev down; its settings and history stay",
  });
  takesPulumiFlags(takesStack(command), "destroy");
  const stack = parse(command, words).args[0] as string;
  const flags = pulumiFlags(command);
  if (isKnownAbsent(stack)) return nothingToDo(stack);
  const runtime = chooseRuntime(stack);
  const env = await environmentWithoutCharts(runtime);
  if (!(await stackExists(stack, env))) return nothingToDo(stack);
  const typed = [`npm stop -- ${stack}`, ...flags].join(" ");
  const code = await exclusiveUpdate(stack, typed, () => update("destroy", stack, flags, env));
  if (code !== 0) {
    say(`Stack ${stack} is not down: see above. Next: npm stop -- ${stack}`);
    return code;
  }
  const again = stack === defaultStack ? "npm start" : `npm start -- ${stack}`;
  console.log(`\nStack ${stack} is down. Its history is kept: ${again} brings it up again,`);
  console.log(`eval "$(npm run -s env -- ${stack})" && pulumi stack rm ${stack}   forgets it.`);
  return 0;
}

function nothingToDo(stack: string): number {
  console.log(`Stack ${stack} does not exist: nothing to take down.`);
  return 0;
}
