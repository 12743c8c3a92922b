import * as fs from "node:fs";
import * as path from "node:path";
import { stateDirectory } from "../lib/paths";
import { capture, type Environment, run } from "../lib/run";
import { isKnownAbsent, stackExists, stackState } from "../stacks/stack";
import { configFlags } from "../stacks/stackFile";
import { lastLog, readUpdate } from "../stacks/updateEvents";
import { StepFailed } from "./runner";

/** Environment variable of every process that the acceptance starts. Their child processes inherit it. */
export const mark = "MESH_ACCEPTANCE";

/** How many lines of a failed command the report shows. The log has all. */
const shownLines = 8;

/** The product as a user has it: its npm scripts, and pulumi by hand. Their output goes to a log. */
export class Product {
  private constructor(
    readonly stack: string,
    /** Has the tools on PATH, for programs that the acceptance calls directly. */
    readonly env: Environment,
    /** Value of `mark` in this run. */
    readonly runId: string,
    readonly log: string,
    private readonly output: fs.promises.FileHandle,
  ) {}

  static async open(stack: string, env: Environment, runId: string): Promise<Product> {
    const log = path.join(reportDirectory(), `${stack}.log`);
    fs.rmSync(log, { force: true });
    return new Product(stack, env, runId, log, await fs.promises.open(log, "a", 0o600));
  }

  async close(): Promise<void> {
    await this.output.close();
  }

  /** Runs `npm run <script> -- <args>`, as a user types it. Each script finds the tools and the state by itself. */
  async script(script: string, ...args: string[]): Promise<void> {
    await this.run(`npm run ${script} -- ${args.join(" ")}`, "npm", ["run", "--silent", script, "--", ...args], {});
  }

  /** Runs another program. */
  async program(program: string, ...args: string[]): Promise<void> {
    await this.run([program, ...args].join(" "), program, args, this.env);
  }

  private async run(shown: string, command: string, args: string[], env: Environment): Promise<void> {
    await this.output.appendFile(`\n$ ${shown}\n`);
    const { size } = await this.output.stat();
    const code = await run(command, args, { env: { ...env, [mark]: this.runId }, output: this.output });
    if (code === 0) return;
    const said = fs.readFileSync(this.log).subarray(size).toString();
    throw new StepFailed(`${shown} ended with ${code}:\n${lastLines(said)}`);
  }

  /** `pulumi preview` by hand, in the environment of `npm run env`. */
  async preview(): Promise<Preview> {
    const script =
      'exports=$(npm run --silent env -- "$1") && eval "$exports" && shift && exec pulumi preview --json --non-interactive "$@"';
    await this.output.appendFile(`\n$ eval "$(npm run -s env -- ${this.stack})"; pulumi preview --json\n`);
    const args = ["-c", script, "sh", this.stack, ...(await configFlags(this.stack))];
    const { code, stdout, stderr } = await capture("sh", args, { env: { [mark]: this.runId } });
    await this.output.appendFile(stderr);
    if (code === 0) return parsePreview(stdout);
    // With --json, pulumi prints its errors in the document.
    throw new StepFailed(`pulumi preview ended with ${code}:\n${lastLines(errorsIn(stdout) || stderr)}`);
  }

  /** Runs a script that updates the stack. Returns the number of changes by operation. */
  async update(script: string, ...args: string[]): Promise<Record<string, number>> {
    const before = newestLog(this.stack);
    await this.script(script, ...args);
    const after = newestLog(this.stack);
    if (after === undefined || after === before) throw new StepFailed(`npm run ${script} kept no events of an update`);
    return changesOf(readUpdate(fs.readFileSync(after, "utf8")).changes);
  }

  /** How many resources the state has. */
  async resources(): Promise<number> {
    if (isKnownAbsent(this.stack) || !(await stackExists(this.stack, this.env))) return 0;
    const state = (await stackState(this.stack, this.env)) as { deployment?: { resources?: unknown[] | null } };
    return state.deployment?.resources?.length ?? 0;
  }

  /** The image of a k3d node. */
  async nodeImage(node: string): Promise<string> {
    const { code, stdout, stderr } = await capture("docker", ["inspect", "--format", "{{.Config.Image}}", node], {
      env: this.env,
    });
    if (code !== 0) throw new Error(`docker inspect ${node} ended with ${code}: ${stderr.trim()}`);
    return stdout.trim();
  }

  /** Keeps a file beside the log. */
  keep(name: string, text: string): string {
    const file = path.join(reportDirectory(), `${this.stack}-${name}`);
    fs.writeFileSync(file, text, { mode: 0o600 });
    return file;
  }
}

function reportDirectory(): string {
  const directory = path.join(stateDirectory, "acceptance");
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

function newestLog(stack: string): string | undefined {
  try {
    return lastLog(path.join(stateDirectory, "events"), stack);
  } catch {
    return undefined; // the stack has none yet
  }
}

/** Prefers lines with errors, because hundreds of other lines may follow them. */
export function lastLines(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const errors = lines.filter((line) => /error|failed|refused/i.test(line));
  return (errors.length > 0 ? errors.slice(0, shownLines) : lines.slice(-shownLines)).join("\n");
}

/** The changes that a preview shows. */
export interface Preview {
  /** Number of resources per operation, without unchanged ones. Example: `{ create: 212 }` */
  changes: Record<string, number>;
  /** Example: `update mesh-west-gateway` */
  steps: string[];
}

interface PreviewJson {
  steps?: { op: string; urn: string }[];
  changeSummary?: Record<string, number>;
  diagnostics?: { message?: string; severity?: string }[];
}

/** Reads what `pulumi preview --json` printed. */
export function parsePreview(text: string): Preview {
  const { steps = [], changeSummary = {} } = JSON.parse(text) as PreviewJson;
  return {
    changes: changesOf(changeSummary),
    steps: steps.filter(({ op }) => !unchanged.has(op)).map(({ op, urn }) => `${op} ${urn.split("::").at(-1)}`),
  };
}

function errorsIn(text: string): string {
  try {
    const { diagnostics = [] } = JSON.parse(text) as PreviewJson;
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    return errors.map(({ message = "" }) => message.trim()).join("\n");
  } catch {
    return text; // it ended before it wrote the document
  }
}

const unchanged = new Set(["same", "read"]);

function changesOf(summary: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(summary).filter(([op, count]) => !unchanged.has(op) && count > 0));
}
