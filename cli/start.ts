import type { Runtime } from "../settings";
import { parseStackArguments } from "./arguments";
import { raise } from "./raise";
import { say } from "./run";
import { createStack, stackEnvironment, stackExists, stackOutputs } from "./stack";
import { chooseRuntime } from "./stackFile";

/** `npm start [-- stack] [--runtime k3d|kwok|existing] [flags of pulumi up]` */
export async function run(args: string[]): Promise<number> {
  const { stack, runtime: asked, passedOn } = parseStackArguments(args);
  const runtime = chooseRuntime(stack, asked);
  const env = await stackEnvironment(stack, runtime);
  if (!(await stackExists(stack, env))) await createStack(stack, env);

  const began = Date.now();
  const code = await raise(stack, passedOn, env);
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

/** What index.ts exports, as far as it is shown. */
export interface Outputs {
  runtime: Runtime;
  clusters: Record<string, { context: string; domain: string; gateway: string; apiServer: string }>;
  mirrors: Record<string, string[]>;
  curl: string[];
}

/** What came up and what to type next. */
export function describe(stack: string, { runtime, clusters, mirrors, curl }: Outputs, seconds: number): string {
  const other = stack === "rehearsal" ? "" : ` -- ${stack}`;
  return [
    "",
    `Stack ${stack} is up (${runtime}, ${seconds} s).`,
    ...Object.entries(clusters).map(
      ([name, { context, domain, gateway }]) => `  ${name}: context ${context}, domain ${domain}, gateway ${gateway}`,
    ),
    "",
    "Mirrored services:",
    ...Object.entries(mirrors).map(([link, names]) => `  ${link}: ${names.join(", ") || "none"}`),
    "",
    ...(runtime === "kwok"
      ? ["Its pods are simulated and no traffic flows: mirrors appear, and these answer, on k3d (npm start -- dev):"]
      : ["Try:"]),
    ...curl.map((command) => `  ${command}`),
    "",
    "Next:",
    ...Object.values(clusters)
      .slice(0, 1)
      .map(({ context }) => `  kubectl --context=${context} get services`),
    `  eval "$(npm run -s env${other})"   then pulumi preview, pulumi up, ... by hand`,
    `  npm stop${other}`,
  ].join("\n");
}
