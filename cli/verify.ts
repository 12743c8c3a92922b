import { verify } from "../verify/main";
import { verifyOptions } from "../verify/options";
import { enterStack } from "./enterStack";

/** `npm run verify [-- stack] [options]` */
export async function run(words: string[]): Promise<number> {
  const options = verifyOptions(words);
  await enterStack(options.stack, options.outputs);
  return verify(options);
}
