import { drillArguments } from "../drill/arguments";
import { drill } from "../drill/main";
import { enterStack } from "./enterStack";

/** `npm run drill -- <what> [stack] [options]` */
export async function run(words: string[]): Promise<number> {
  const told = drillArguments(words);
  await enterStack(told.stack);
  return drill(told);
}
