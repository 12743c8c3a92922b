// Offline stand-in for the command provider plugin. Implements command:local:Command like the sources of the real
// provider at 1.2.1: inputs, diff, which command runs when, environment, errors, log, cancel.
// Not supported, and refused: assetPaths, archivePaths, command:local:run, everything remote.
// Not tested by it: that the real plugin loads; Windows; the real error messages for inputs of a wrong type.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { version } from "@pulumi/command/package.json";
import { type Properties, UNKNOWN, type Value, differences, isMap, plain } from "./properties";
import type { Operation, Provider, ResourceType } from "./serve";

const isText = (value: Value) => typeof value === "string";
const INPUTS: Record<string, { type: string; fits: (value: Value) => boolean }> = {
  create: { type: "a string", fits: isText },
  update: { type: "a string", fits: isText },
  delete: { type: "a string", fits: isText },
  stdin: { type: "a string", fits: isText },
  dir: { type: "a string", fits: isText },
  logging: { type: "a string", fits: isText },
  addPreviousOutputInEnv: { type: "a boolean", fits: (value) => typeof value === "boolean" },
  interpreter: { type: "a list of strings", fits: (value) => Array.isArray(value) && value.every(isText) },
  environment: { type: "a map of strings", fits: (value) => isMap(value) && Object.values(value).every(isText) },
  triggers: { type: "a list", fits: Array.isArray },
};

/** Keeps only inputs. State also contains outputs, and the engine adds its own inputs (`version`, `__...`). */
function known(all: Properties): Properties {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name in INPUTS));
}

interface Inputs {
  create?: string;
  update?: string;
  delete?: string;
  stdin?: string;
  dir?: string;
  logging?: string;
  addPreviousOutputInEnv?: boolean;
  interpreter?: string[];
  environment?: Record<string, string>;
}
interface Outputs {
  stdout?: string;
  stderr?: string;
}

/** Go's names for signals, as in the real provider's errors. */
const SIGNALS: Record<string, string> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGTERM: "terminated",
};

/** Passes complete lines to `log`, one after the other, and the unfinished last line on close. */
function lineLogger(log: Operation["log"]) {
  let rest = "";
  let logged = Promise.resolve();
  const line = (text: string) => (logged = logged.then(() => log("status", text)));
  return {
    write(chunk: Buffer) {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) void line(text);
    },
    close: () => (rest ? line(rest) : logged),
  };
}

function environment(inputs: Inputs, previous: Outputs): NodeJS.ProcessEnv {
  const result: NodeJS.ProcessEnv = { ...process.env, ...inputs.environment };
  if (inputs.addPreviousOutputInEnv === false) return result;
  if (previous.stdout) result.PULUMI_COMMAND_STDOUT = previous.stdout;
  if (previous.stderr) result.PULUMI_COMMAND_STDERR = previous.stderr;
  return result;
}

/** Runs one command and returns its output. An exit status other than 0 is an error. */
async function run(
  line: string,
  inputs: Inputs,
  previous: Outputs,
  { signal, log }: Operation,
): Promise<Required<Outputs>> {
  const [program = "/bin/sh", ...args] = inputs.interpreter?.length ? inputs.interpreter : ["/bin/sh", "-c"];
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const both: Buffer[] = [];
  const failed = (why: string) =>
    new Error(`${why}: running ${JSON.stringify(line)}:\n${Buffer.concat(both).toString()}`);
  if (signal.aborted) throw failed("context canceled");
  // Checked here because spawn blames the program when the directory is missing.
  if (inputs.dir && !statSync(inputs.dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw failed(`chdir ${inputs.dir}: no such file or directory`);
  }

  const logger = lineLogger(log);
  const child = spawn(program, [...args, line], {
    cwd: inputs.dir,
    env: environment(inputs, previous),
    stdio: [inputs.stdin ? "pipe" : "ignore", "pipe", "pipe"],
  });
  const capture = (kept: Buffer[], shown: boolean) => (chunk: Buffer) => {
    kept.push(chunk);
    both.push(chunk);
    if (shown) logger.write(chunk);
  };
  const logs = (...modes: string[]) => inputs.logging === undefined || modes.includes(inputs.logging);
  child.stdout?.on("data", capture(stdout, logs("stdout", "stdoutAndStderr")));
  child.stderr?.on("data", capture(stderr, logs("stderr", "stdoutAndStderr")));
  // A command need not read all of its stdin.
  child.stdin?.on("error", (error: NodeJS.ErrnoException) => error.code !== "EPIPE" && child.emit("error", error));
  child.stdin?.end(inputs.stdin);
  // Like Go's CommandContext in the real provider, this kills only the process itself. It then waits for its children
  // as long as they keep the output open. They stay in the plugin's process group, and the engine ends that last.
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill);
  const why = await new Promise<string | undefined>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, by) => {
      if (by) resolve(`signal: ${SIGNALS[by] ?? by}`);
      else resolve(code === 0 ? undefined : `exit status ${code}`);
    });
  });
  signal.removeEventListener("abort", kill);
  await logger.close();
  if (why !== undefined) throw failed(why);
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString().replace(/\n$/, "");
  return { stdout: text(stdout), stderr: text(stderr) };
}

const localCommand: ResourceType = {
  check(inputs) {
    return Object.entries(inputs).flatMap(([property, given]) => {
      const value = plain(given);
      const input = INPUTS[property];
      if (property === "assetPaths" || property === "archivePaths") {
        const reason = `${property} is not served by this stand-in for the command provider; read the files in a command`;
        return [{ property, reason }];
      }
      if (!input || value === UNKNOWN || input.fits(value)) return [];
      return [{ property, reason: `${property} must be ${input.type}, and it is ${JSON.stringify(value)}` }];
    });
  },

  diff: (_state, oldInputs, inputs) =>
    differences(known(oldInputs), known(inputs), (property) => property === "triggers"),

  async create(inputs, operation) {
    const id = operation.name + randomBytes(4).toString("hex");
    if (operation.preview) return { id, state: { ...inputs, stdout: UNKNOWN, stderr: UNKNOWN } };
    const given = plain(inputs) as Inputs;
    const printed =
      given.create === undefined ? { stdout: "", stderr: "" } : await run(given.create, given, {}, operation);
    return { id, state: { ...inputs, ...printed } };
  },

  async update(state, inputs, operation) {
    const given = plain(inputs) as Inputs;
    const { stdout = "", stderr = "" } = state;
    if (operation.preview) {
      // A new input alone does not change the outputs: the real provider compares only the old inputs.
      const changed = differences(known(state), inputs, () => false).some(
        ({ path, kind }) => kind !== "add" || path.length > 1,
      );
      const printed = changed ? UNKNOWN : undefined;
      return { ...inputs, stdout: printed ?? stdout, stderr: printed ?? stderr };
    }
    const line = given.update ?? given.create;
    const printed =
      line === undefined ? { stdout, stderr } : await run(line, given, plain(state) as Outputs, operation);
    return { ...inputs, ...printed };
  },

  async delete(state, operation) {
    const stored = plain(state) as Inputs & Outputs;
    if (stored.delete !== undefined) await run(stored.delete, stored, stored, operation);
  },

  // The real provider has no Read either: a refresh trusts the state.
  read: (state) => state,
};

export const command: Provider = { name: "command", version, types: { "command:local:Command": localCommand } };
