import { heal } from "../verify/main";
import { healOptions } from "../verify/options";
import { enterStack } from "./enterStack";

/** `npm run heal [-- stack] [options]` */
export async function run(words: string[]): Promise<number> {
  const options = healOptions(words);
  await enterStack(options.stack, options.outputs);
  return heal(options);
}
