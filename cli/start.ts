import { setTimeout as sleep } from "node:timers/promises";
import { Option } from "commander";
import { newCommand, parse, takesStack } from "../lib/commandLine";
import { pulumiFlags, takesPulumiFlags } from "./pulumiFlags";
import { bringUp } from "../stacks/bringUp";
import { say } from "../lib/run";
import { painter } from "../lib/terminal";
import { follow } from "../status/follow";
import type { MeshStatus } from "../status/model";
import { statusText } from "../status/text";
import { stackEnvironment } from "../stacks/environment";
import { exclusiveUpdate } from "../stacks/exclusiveUpdate";
import { createStack, runningStack, stackExists } from "../stacks/stack";
import { chooseRuntime } from "../stacks/stackFile";
import { toolsFor } from "../tools/tools";
import type { Stack } from "../verify/stack";

/** `npm start [-- stack] [options]` */
export function run(words: string[]): Promise<number> {
  const command = newCommand(
    "start",
    "Bring a stack up, or bring it up to date. Creates what is missing: tools, stack, clusters.",
    {
      "npm start": "the rehearsal: two simulated clusters",
      "npm start -- dev": "two k3d clusters (needs Docker)",
      "npm start -- alice --runtime kwok": "a stack of your own, simulated",
      "npm start -- dev --refresh": "put back what was changed by hand",
    },
  );
  takesPulumiFlags(
    takesStack(command).addOption(
      new Option("--runtime <runtime>", "where the clusters of a new stack come from").choices(Object.keys(toolsFor)),
    ),
    "up",
  );
  const { args, options } = parse<{ runtime?: string }>(command, words);
  return start(args[0] as string, options.runtime, pulumiFlags(command));
}

/**
 * Brings a stack up, and prints a summary.
 *
 * @param flags of `pulumi up`
 * @returns pulumi's exit code
 */
export async function start(stack: string, asked?: string, flags: string[] = []): Promise<number> {
  const runtime = chooseRuntime(stack, asked);
  const env = await stackEnvironment(stack, runtime);
  const began = Date.now();
  const typed = [`npm start -- ${stack}`, ...(asked ? [`--runtime ${asked}`] : []), ...flags].join(" ");
  const code = await exclusiveUpdate(stack, typed, async () => {
    if (!(await stackExists(stack, env))) await createStack(stack, env);
    return bringUp(stack, flags, env);
  });
  if (code !== 0) {
    say(
      `Stack ${stack} is not up: see above. Next: npm start -- ${stack} goes on where it stopped; npm stop -- ${stack}`,
    );
    return code;
  }
  const seconds = Math.round((Date.now() - began) / 1000);
  const up = await runningStack(stack, env);
  console.log(describe(up, await settled(up), seconds));
  return 0;
}

/** The status, as soon as all mirrors exist. Controllers of new links take a few seconds, and get 20. */
async function settled(stack: Stack): Promise<MeshStatus> {
  const ask = await follow(stack);
  const end = Date.now() + 20_000;
  for (;;) {
    const status = await ask();
    if (status.problems.length === 0 || Date.now() > end) return status;
    await sleep(1_000);
  }
}

/** The summary of a stack that is up, with commands to type next. */
export function describe({ name, curl = [] }: Stack, status: MeshStatus, seconds: number): string {
  const other = name === "rehearsal" ? "" : ` -- ${name}`;
  const [first] = status.clusters;
  return [
    "",
    `Stack ${name} is up after ${seconds} s.`,
    "",
    statusText(status, painter(process.stdout)),
    ...tries(curl, status),
    "",
    "Next:",
    `  npm run view${other}    the same as a page that follows the clusters`,
    `  kubectl --context=${first?.context} get services`,
    `  eval "$(npm run -s env${other})"   then pulumi preview, pulumi up, ... by hand`,
    `  npm stop${other}`,
  ].join("\n");
}

/** Requests to pods of StatefulSets by name. A stack may have none. */
function tries(curl: string[], { clusters }: MeshStatus): string[] {
  if (clusters.every(({ isSimulated }) => isSimulated))
    return ["", "No traffic flows between simulated pods. With Docker: npm start -- dev"];
  return curl.length > 0 ? ["", "Try:", ...curl.map((command) => `  ${command}`)] : [];
}
