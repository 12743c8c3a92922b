import { heal } from "../verify/main";
import { withStack } from "./withStack";

/** `npm run heal [-- stack] [--dry-run]`, see verify/main.ts. */
export const run = (args: string[]): Promise<number> => withStack(args, heal);
