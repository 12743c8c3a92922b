import * as fs from "node:fs";
import * as path from "node:path";
import { EventLog } from "./eventLog";
import { root, stateDirectory } from "../lib/paths";
import { accessTo } from "./pods/kubeconfig";
import { PodWatch } from "./pods/watch";
import { hasLogin } from "../tools/pulumiHome";
import { capture, type Environment, run, say, UserError } from "../lib/run";
import { parseStack, type Stack } from "../verify/stack";
import { recoverFromCrash } from "./crashRecovery";
import { environmentWithoutCharts } from "./environment";
import { chooseRuntime, configFlags, copies, project } from "./stackFile";

/** Whether the default backend is in use and lacks the stack. Works without pulumi, which may not be installed yet. */
export function isKnownAbsent(stack: string): boolean {
  const file = path.join(stateDirectory, ".pulumi", "stacks", project, `${stack}.json`);
  // The file may be compressed: see stacks/backend.ts.
  return !hasLogin() && !["", ".gz", ".zst"].some((ending) => fs.existsSync(file + ending));
}

/** Whether the backend has the stack. */
export async function stackExists(stack: string, env: Environment): Promise<boolean> {
  if (!hasLogin()) return !isKnownAbsent(stack);
  const { code, stdout, stderr } = await capture("pulumi", ["stack", "ls", "--json", "--project", project], { env });
  if (code !== 0) throw new UserError(stderr);
  const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
  return names.some((name) => name === stack || name.endsWith(`/${stack}`));
}

/**
 * Prepares the tools for a stack that exists, and returns its environment.
 *
 * @throws UserError when there is no such stack; before a tool is prepared if the default backend is in use
 */
export async function existingStackEnvironment(stack: string): Promise<Environment> {
  const refusal = new UserError(`stack ${stack} does not exist. Next: npm start -- ${stack}`);
  if (isKnownAbsent(stack)) throw refusal;
  const env = await environmentWithoutCharts(chooseRuntime(stack));
  if (!(await stackExists(stack, env))) throw refusal;
  return env;
}

/** Creates the stack in the backend if it is not there. */
export async function createStack(stack: string, env: Environment): Promise<void> {
  const args = ["stack", "init", stack, "--no-select", "--non-interactive"];
  let cwd = root;
  if ((await configFlags(stack)).length > 0) {
    // `stack init` has no flag for another file. It writes beside the Pulumi.yaml of its working directory.
    cwd = copies;
    fs.copyFileSync(path.join(root, "Pulumi.yaml"), path.join(cwd, "Pulumi.yaml"));
  }
  const { code, stderr } = await capture("pulumi", args, { env, cwd });
  // Somebody else has created it in the meantime.
  if (code !== 0 && /already exists/.test(stderr)) return;
  if (code !== 0) throw new UserError(`pulumi stack init ${stack} failed: ${stderr.trim()}`);
  say(`Created stack ${stack} in ${env.PULUMI_BACKEND_URL ?? "your pulumi login's backend"}`);
}

/**
 * The stack's outputs.
 *
 * @param flags `--show-secrets` to include secret outputs. Never print those.
 */
export async function stackOutputs(stack: string, env: Environment, ...flags: string[]): Promise<unknown> {
  return JSON.parse(await outputsOf(stack, env, flags));
}

/** A stack that is up, kubeconfigs included. Never print them. */
export async function runningStack(stack: string, env: Environment): Promise<Stack> {
  return parseStack(stack, await outputsOf(stack, env, ["--show-secrets"]));
}

async function outputsOf(stack: string, env: Environment, flags: string[]): Promise<string> {
  const args = ["stack", "output", "--json", "--stack", stack, ...flags];
  const { code, stdout, stderr } = await capture("pulumi", args, { env });
  if (code !== 0) throw new UserError(`stack ${stack} has no outputs: ${stderr.trim()}. Next: npm start -- ${stack}`);
  return stdout;
}

/** The stack's state, as printed by `pulumi stack export`. Secrets stay encrypted. */
export async function stackState(stack: string, env: Environment): Promise<unknown> {
  const { code, stdout, stderr } = await capture("pulumi", ["stack", "export", "--stack", stack], { env });
  if (code !== 0) throw new UserError(`pulumi stack export of ${stack} failed: ${stderr.trim()}`);
  return JSON.parse(stdout);
}

/**
 * Skips writing the state at each of hundreds of steps. Those writes take most of the time of a destroy. An interrupted
 * destroy can be repeated from the older state with the same result. Not for removing objects from clusters that stay.
 */
export const withoutCheckpoints: Environment = {
  PULUMI_SKIP_CHECKPOINTS: "true",
  // Without those writes there is little garbage. Go's default then takes a third less memory in the same time.
  GOGC: process.env.GOGC ?? "100",
};

/**
 * Prints and runs `pulumi up` or `destroy` on the stack, and records its events in `.state/events/`. Stops it when a
 * pod that it waits for will not become ready.
 *
 * @param how additional environment variables. They are printed with the command.
 */
export async function update(
  verb: "up" | "destroy",
  stack: string,
  args: string[],
  env: Environment,
  how: Environment = verb === "destroy" && chooseRuntime(stack) !== "existing" ? withoutCheckpoints : {},
): Promise<number> {
  const shown = [verb, "--stack", stack, "--yes", "--skip-preview", ...args];
  await recoverFromCrash(stack);
  say(["$", ...Object.entries(how).map((setting) => setting.join("=")), "pulumi", ...shown].join(" "));
  const watch = new PodWatch((cluster) => accessTo(stack, cluster));
  const events = new EventLog((event) => watch.see(event));
  const flags = [...(await configFlags(stack)), "--event-log", await events.listen()];
  void watch.run();
  try {
    // --event-log is a debug flag, which pulumi accepts only with PULUMI_DEBUG_COMMANDS.
    const code = await run("pulumi", [...shown, ...flags], {
      env: { ...env, ...how, PULUMI_DEBUG_COMMANDS: "true" },
      interrupt: watch.faultFound,
    });
    if (code !== 0) for (const line of watch.lastWords()) say(line);
    return code;
  } finally {
    watch.end();
    events.close(stack);
  }
}
