import { verify } from "../verify/main";
import { withStack } from "./withStack";

/** `npm run verify [-- stack] [options]`, see verify/main.ts. */
export const run = (args: string[]): Promise<number> => withStack(args, verify);
