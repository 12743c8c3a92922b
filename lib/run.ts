import { execFile, spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import { promisify } from "node:util";
import { root } from "./paths";

/** A user mistake or a problem of the machine, reported in one sentence without a stack trace. */
export class UserError extends Error {}

/** Progress goes to stderr: stdout belongs to a command's result, as in `eval "$(npm run -s env)"`. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Environment variables to set on top of the caller's. */
export type Environment = Record<string, string>;

export interface RunOptions {
  env?: Environment;
  /** Default: the clone's root. */
  cwd?: string;
  /** Write the child's output to this open file instead of showing it. */
  output?: fs.promises.FileHandle;
  /** Interrupts the child as Ctrl-C does, and once more if it still runs after a minute. */
  interrupt?: AbortSignal;
}

/** How long an interrupted child may take to shut down. */
const endMilliseconds = 60_000;

/**
 * Runs a program to its end and returns its exit code (128 + n after signal n). After an interrupt it still waits for
 * the child: pulumi finishes running operations and writes its state. A second interrupt makes pulumi give up at once.
 */
export async function run(command: string, args: string[], options: RunOptions = {}): Promise<number> {
  // At a terminal Ctrl-C reaches every process of the foreground group by itself. Elsewhere the child has its own
  // group. Otherwise it would get a signal twice: once sent to the group, once from here.
  const terminal = process.stdin.isTTY;
  const out = options.output?.fd ?? "inherit";
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    detached: !terminal,
    stdio: [terminal ? "inherit" : "ignore", out, out],
  });
  const stopForwarding = forwardSignals(child, terminal, options.interrupt);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) =>
        resolve(code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGTERM" ? 15 : 9)),
      );
    });
  } finally {
    stopForwarding();
  }
}

function forwardSignals(child: ChildProcess, terminal: boolean, interrupt?: AbortSignal): () => void {
  let last = 0;
  let timer: NodeJS.Timeout | undefined;
  const forward = (signal: NodeJS.Signals) => {
    // npm forwards a signal that the process group got as well. Treat the two as one.
    if (Date.now() - last < 1000) return;
    last = Date.now();
    if (signal === "SIGINT" && terminal) return;
    child.kill(signal);
  };
  const interruptNow = () => {
    // Already interrupted by hand: a second signal would make the child give up at once.
    if (last > 0) return;
    last = Date.now();
    child.kill("SIGINT");
    timer = setTimeout(() => child.kill("SIGINT"), endMilliseconds);
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, forward);
  interrupt?.addEventListener("abort", interruptNow);
  return () => {
    for (const signal of signals) process.off(signal, forward);
    interrupt?.removeEventListener("abort", interruptNow);
    clearTimeout(timer);
  };
}

/** Runs a program and returns what it printed; code 127 when there is no such program. */
export function capture(
  command: string,
  args: string[],
  options: { env?: Environment; cwd?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "EACCES") resolve({ code: 127, stdout, stderr: error.message });
      else reject(error);
    });
    child.once("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

/**
 * Runs a program to its end and returns what it printed on standard output.
 *
 * @param options what it reads on standard input, and a signal that kills it
 * @throws UserError with its command line, exit status and standard error
 */
export async function outputOf(
  file: string,
  args: string[],
  env: Record<string, string> = {},
  { input, signal }: { input?: string; signal?: AbortSignal } = {},
): Promise<string> {
  try {
    // These are for the engine (stacks/backend.ts). API servers would keep them as long as they run.
    const inherited = { ...process.env };
    delete inherited.GOGC;
    delete inherited.GOMEMLIMIT;
    const options = {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...inherited, ...env },
      signal,
      killSignal: "SIGKILL" as const,
    };
    const running = promisify(execFile)(file, args, options);
    // A program that ends without reading its input says why on standard error.
    if (input !== undefined) running.child.stdin?.on("error", () => undefined).end(input);
    return (await running).stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: string | number; stderr?: string };
    if (code === "ENOENT")
      throw new UserError(`${file} is not on PATH. Next: npm start, which provides it, or install it`, {
        cause: error,
      });
    throw new UserError(`${[file, ...args].join(" ")} ended with ${code}: ${stderr?.trim() ?? String(error)}`, {
      cause: error,
    });
  }
}
