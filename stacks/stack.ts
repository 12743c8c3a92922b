import * as fs from "node:fs";
import * as path from "node:path";
import { EventLog } from "./eventLog";
import { root, stateDirectory } from "../lib/paths";
import { accessTo } from "./pods/kubeconfig";
import { PodWatch } from "./pods/watch";
import { hasLogin } from "../tools/pulumiHome";
import { capture, type Environment, run, say, UserError } from "../lib/run";
import { clearAfterKill } from "./crashRecovery";
import { chooseRuntime, configFlags, copies, project } from "./stackFile";

/** Whether the default backend, when it is the one, lacks the stack: told without pulumi, which may not be there yet. */
export function isKnownAbsent(stack: string): boolean {
  const file = path.join(stateDirectory, ".pulumi", "stacks", project, `${stack}.json`);
  // As it is, or compressed: stacks/backend.ts.
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

/** Makes the stack in the backend. */
export async function createStack(stack: string, env: Environment): Promise<void> {
  const args = ["stack", "init", stack, "--no-select", "--non-interactive"];
  let cwd = root;
  if ((await configFlags(stack)).length > 0) {
    // `stack init` has no flag for another file, but writes beside the Pulumi.yaml of where it is run.
    cwd = copies;
    fs.copyFileSync(path.join(root, "Pulumi.yaml"), path.join(cwd, "Pulumi.yaml"));
  }
  const { code, stderr } = await capture("pulumi", args, { env, cwd });
  if (code !== 0) throw new UserError(`pulumi stack init ${stack} failed: ${stderr.trim()}`);
  say(`Made stack ${stack} in ${env.PULUMI_BACKEND_URL ?? "your pulumi login's backend"}`);
}

/**
 * What the stack exports.
 *
 * @param flags `--show-secrets` for the secret ones, which are never to be printed
 */
export async function stackOutputs(stack: string, env: Environment, ...flags: string[]): Promise<unknown> {
  const args = ["stack", "output", "--json", "--stack", stack, ...flags];
  const { code, stdout, stderr } = await capture("pulumi", args, { env });
  if (code !== 0) throw new UserError(`stack ${stack} has no outputs: ${stderr.trim()}. Next: npm start -- ${stack}`);
  return JSON.parse(stdout);
}

/** The stack's state, as `pulumi stack export` prints it: secrets stay encrypted. */
export async function stackState(stack: string, env: Environment): Promise<unknown> {
  const { code, stdout, stderr } = await capture("pulumi", ["stack", "export", "--stack", stack], { env });
  if (code !== 0) throw new UserError(`pulumi stack export of ${stack} failed: ${stderr.trim()}`);
  return JSON.parse(stdout);
}

/**
 * Destroying again from the state of before does the same, so it need not be written at each of hundreds of steps, which is
 * most of the time. Not where objects are taken out of clusters that stay.
 */
export const withoutCheckpoints: Environment = {
  PULUMI_SKIP_CHECKPOINTS: "true",
  // There is little garbage then, and Go's own default takes a third less memory in the same time.
  GOGC: process.env.GOGC ?? "100",
};

/**
 * Runs `pulumi up` or `destroy` on the stack, showing it, and keeps what happened when in `.state/events/`. Stops it when a
 * pod that it waits for will not become ready.
 *
 * @param how more of the environment, shown as well
 */
export async function update(
  verb: "up" | "destroy",
  stack: string,
  args: string[],
  env: Environment,
  how: Environment = verb === "destroy" && chooseRuntime(stack) !== "existing" ? withoutCheckpoints : {},
): Promise<number> {
  const shown = [verb, "--stack", stack, "--yes", "--skip-preview", ...args];
  await clearAfterKill(stack);
  say(["$", ...Object.entries(how).map((setting) => setting.join("=")), "pulumi", ...shown].join(" "));
  const watch = new PodWatch((cluster) => accessTo(stack, cluster));
  const events = new EventLog((event) => watch.see(event));
  const flags = [...(await configFlags(stack)), "--event-log", await events.listen()];
  void watch.run();
  try {
    // --event-log is one of the flags for pulumi's own developers.
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
