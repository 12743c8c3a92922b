import type { Runtime } from "../config/settings";
import { Option } from "commander";
import { newCommand, parse, takesStack } from "../lib/commandLine";
import { pulumiFlags, takesPulumiFlags } from "./pulumiFlags";
import { bringUp } from "../stacks/bringUp";
import { say } from "../lib/run";
import { stackEnvironment } from "../stacks/environment";
import { createStack, stackExists, stackOutputs } from "../stacks/stack";
import { chooseRuntime } from "../stacks/stackFile";
import { toolsFor } from "../tools/tools";

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
  if (!(await stackExists(stack, env))) await createStack(stack, env);

  const began = Date.now();
  const code = await bringUp(stack, flags, env);
  if (code !== 0) {
    say(
      `Stack ${stack} is not up: see above. Next: npm start -- ${stack} goes on where it stopped; npm stop -- ${stack}`,
    );
    return code;
  }
  const outputs = (await stackOutputs(stack, env)) as Outputs;
  console.log(describe(stack, outputs, Math.round((Date.now() - began) / 1000)));
  return 0;
}

/** The exports of index.ts that are shown. */
export interface Outputs {
  runtime: Runtime;
  clusters: Record<string, { context: string; domain: string; gateway: string; apiServer: string }>;
  mirrors: Record<string, string[]>;
  curl: string[];
}

/** The summary of a stack that is up, with commands to type next. */
export function describe(stack: string, { runtime, clusters, mirrors, curl }: Outputs, seconds: number): string {
  const isSimulated = runtime === "kwok";
  const other = stack === "rehearsal" ? "" : ` -- ${stack}`;
  return [
    "",
    `Stack ${stack} is up (${runtime}, ${seconds} s).`,
    ...Object.entries(clusters).map(
      ([name, { context, domain, gateway }]) => `  ${name}: context ${context}, domain ${domain}, gateway ${gateway}`,
    ),
    "",
    isSimulated ? "Services that Linkerd would mirror:" : "Mirrored services:",
    ...Object.entries(mirrors).map(([link, names]) => `  ${link}: ${names.join(", ") || "none"}`),
    "",
    ...(isSimulated
      ? ["Its pods are simulated: no service is mirrored, and no traffic flows. With Docker: npm start -- dev"]
      : ["Try:", ...curl.map((command) => `  ${command}`)]),
    "",
    "Next:",
    ...Object.values(clusters)
      .slice(0, 1)
      .map(({ context }) => `  kubectl --context=${context} get services`),
    `  eval "$(npm run -s env${other})"   then pulumi preview, pulumi up, ... by hand`,
    `  npm stop${other}`,
  ].join("\n");
}
