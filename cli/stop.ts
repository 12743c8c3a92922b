import { parseStackArguments } from "./arguments";
import { say, UserError } from "./run";
import { isKnownAbsent, stackEnvironment, stackExists, update } from "./stack";
import { chooseRuntime } from "./stackFile";

/** `npm stop [-- stack] [flags of pulumi destroy]` */
export async function run(args: string[]): Promise<number> {
  const { stack, runtime: asked, passedOn } = parseStackArguments(args);
  if (asked)
    throw new UserError(`stop got --runtime; what stack ${stack} runs on is known. Next: npm stop -- ${stack}`);
  if (isKnownAbsent(stack)) return nothingToDo(stack);
  const runtime = chooseRuntime(stack);
  const env = await stackEnvironment(stack, runtime);
  if (!(await stackExists(stack, env))) return nothingToDo(stack);
  const code = await update("destroy", stack, passedOn, env);
  if (code !== 0) {
    say(`Stack ${stack} is not down: see above. Next: npm stop -- ${stack}`);
    return code;
  }
  const again = stack === "rehearsal" ? "npm start" : `npm start -- ${stack}`;
  console.log(`\nStack ${stack} is down. Its history is kept: ${again} raises it again,`);
  console.log(`eval "$(npm run -s env -- ${stack})" && pulumi stack rm ${stack}   forgets it.`);
  return 0;
}

function nothingToDo(stack: string): number {
  console.log(`Stack ${stack} does not exist: nothing to take down.`);
  return 0;
}
