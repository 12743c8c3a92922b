import * as fs from "node:fs";
import { newCommand, parse, takesStack } from "../lib/commandLine";
import { prepareTools, searching } from "../tools/prepare";
import { type Environment, UserError } from "../lib/run";
import { pulumiEnvironment } from "../stacks/environment";
import { createStack, isKnownAbsent, stackExists } from "../stacks/stack";
import { chooseRuntime, readStackFile } from "../stacks/stackFile";

/** `eval "$(npm run -s env [-- stack])"`: lets you run pulumi by hand in the environment of the npm scripts. */
export async function run(words: string[]): Promise<number> {
  const command = newCommand(
    "env",
    "Print the environment in which pulumi, run by hand, behaves as in the npm scripts. Prepares the tools, and creates the stack in the backend if its settings file exists.",
    {
      'eval "$(npm run -s env -- dev)"': "then: pulumi preview, pulumi up, pulumi destroy",
    },
  );
  const stack = parse(takesStack(command), words).args[0] as string;
  if (isKnownAbsent(stack) && !fs.existsSync(readStackFile(stack).file)) {
    throw new UserError(
      `stack ${stack} does not exist, and there is no Pulumi.${stack}.yaml. Next: npm start -- ${stack}`,
    );
  }
  const runtime = chooseRuntime(stack);
  const directories = await prepareTools(runtime);
  const env = await pulumiEnvironment(stack, runtime);
  if (!(await stackExists(stack, { ...env, ...searching(directories) }))) {
    await createStack(stack, { ...env, ...searching(directories) });
  }
  console.log(shellExports({ ...env, PULUMI_STACK: stack }, directories));
  return 0;
}

/** Returns lines for a POSIX shell. Each value is quoted as a whole, and the directories are put in front of PATH. */
export function shellExports(env: Environment, directories: string[]): string {
  const lines = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`);
  if (directories.length > 0) lines.push(`export PATH=${quote(`${directories.join(":")}:`)}"$PATH"`);
  return lines.join("\n");
}

function quote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}
