import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { engineSettings } from "../../stacks/backend";
import { providerEnvironment } from "../../stacks/environment";
import { fromNothing } from "../../stacks/bringUp";
import { withoutCheckpoints } from "../../stacks/stack";
import { isPortTaken } from "../../lib/ports";
import { type Process, processes } from "./processes";
import { filesWithSecrets } from "./secrets";

const execute = promisify(execFile);
const root = path.join(__dirname, "../..");
/** Parts of the work tree that a mesh does not need to come up. */
const leftOut = ["node_modules", "tests", "docs"];

/** One resource that an update or preview did something to. */
export interface Step {
  /** `same`, `create`, `update`, `delete`, `create-replacement`, `replace`, ... */
  op: string;
  type: string;
  urn: string;
  name: string;
  /** Paths of the properties that differ. Example: `spec.replicas` */
  diff: string[];
}

/** How an update or preview ended. */
export interface Outcome {
  ok: boolean;
  /** Standard output and standard error together, as a person sees them. */
  output: string;
  /** The engine's events as text, without the debug messages: those hold every input in plain, and nobody keeps them. */
  log: string;
  /** Every step but `same`. */
  changes: Step[];
  /** How many resources each operation changed, by the engine's summary. Example: `{"create": 207}` */
  summary: Record<string, number>;
  seconds: number;
}

/** One resource of the state. */
export interface StateResource {
  urn: string;
  type: string;
  id?: string;
  parent?: string;
  dependencies?: string[];
  deletedWith?: string;
  provider?: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  additionalSecretOutputs?: string[];
}

/** The contents of a home. Several checkouts may share one, as those of one user do. */
export interface Home {
  directory: string;
  remove(): void;
}

/** A home directory of the test's own: kubeconfig, kwok's clusters, the program's data and Pulumi's home all live in it. */
export function createHome(): Home {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "mesh-home-")));
  const pulumiHome = path.join(directory, ".pulumi");
  fs.mkdirSync(pulumiHome);
  // A file of this name keeps the engine from logging every command, which takes longer than a preview.
  fs.writeFileSync(path.join(pulumiHome, "logs"), "");
  const plugins = path.join(process.env.PULUMI_HOME ?? path.join(os.homedir(), ".pulumi"), "plugins");
  if (fs.existsSync(plugins)) fs.symlinkSync(plugins, path.join(pulumiHome, "plugins"));
  return { directory, remove: () => fs.rmSync(directory, { recursive: true, force: true }) };
}

/**
 * A stack of the test's own on the real engine, from a checkout of its own: a directory with the program's files,
 * its own manifests and its own stack settings, so that the work tree stays clean even if the test is killed.
 *
 * @example
 * const stack = await TestStack.create({ "mesh:runtime": "kwok" });
 * try { await stack.up(); } finally { await stack.end(); }
 */
export class TestStack {
  /** Where the program runs: whose owner it is. */
  readonly checkout = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "mesh-checkout-")));
  private readonly environment: NodeJS.ProcessEnv;

  private constructor(
    readonly name: string,
    readonly home: Home,
    private readonly ownsHome: boolean,
  ) {
    // Copies, so that an edit of the work tree meanwhile does not change the program under test.
    for (const entry of fs.readdirSync(root)) {
      if (entry.startsWith(".") || leftOut.includes(entry) || /^Pulumi\..+\.yaml$/.test(entry)) continue;
      fs.cpSync(path.join(root, entry), path.join(this.checkout, entry), { recursive: true });
    }
    fs.symlinkSync(path.join(root, "node_modules"), path.join(this.checkout, "node_modules"));
    const state = path.join(this.checkout, ".state");
    fs.mkdirSync(state);
    const inherited = Object.entries(process.env).filter(([key]) => !/^(PULUMI_|MESH_|XDG_|KUBE|KWOK_)/.test(key));
    this.environment = {
      ...Object.fromEntries(inherited),
      HOME: home.directory,
      PULUMI_HOME: path.join(home.directory, ".pulumi"),
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE: "of a test",
      // As in npm run env.
      ...engineSettings,
      ...providerEnvironment("kwok"),
      // For --event-log, a flag for Pulumi's own developers.
      PULUMI_DEBUG_COMMANDS: "true",
      MESH_CHART_DIRECTORY: path.join(root, "offline/charts"),
    };
  }

  /**
   * @param config the stack's settings. Example: `{ "mesh:runtime": "kwok" }`
   * @param as name and home, such as another stack's, as a second checkout of the same user does. Default: own ones
   */
  static async create(config: Record<string, unknown>, as?: Pick<TestStack, "name" | "home">): Promise<TestStack> {
    const name = as?.name ?? `test-${randomBytes(3).toString("hex")}`;
    const stack = new TestStack(name, as?.home ?? createHome(), as === undefined);
    await stack.pulumi("stack", "init", name);
    stack.configure(config);
    return stack;
  }

  /** Sets settings, or removes them if the value is undefined. Lists and objects are written as such. */
  configure(changes: Record<string, unknown>): void {
    const stackFile = this.readStackFile();
    fs.writeFileSync(this.stackFile, stringify({ ...stackFile, config: { ...stackFile.config, ...changes } }));
  }

  /** The stack's own settings, as its file has them. */
  settings(): Record<string, unknown> {
    return this.readStackFile().config ?? {};
  }

  /** Changes a manifest of this checkout. Example: `editManifest("west/nginx.yaml", (text) => text.replace("3", "5"))` */
  editManifest(file: string, change: (text: string) => string): void {
    const manifest = path.join(this.checkout, "manifests", file);
    fs.writeFileSync(manifest, change(fs.readFileSync(manifest, "utf8")));
  }

  /**
   * Runs one of the npm scripts here, as a person would. Example: `await stack.script("heal", stack.name)`
   *
   * @param words what `npm run` is told
   */
  async script(...words: string[]): Promise<Pick<Outcome, "ok" | "output">> {
    const options = { cwd: this.checkout, env: this.scriptEnvironment(), maxBuffer: 256 * 1024 * 1024 };
    return finished(execute("node", ["cli/run.mjs", ...words], options));
  }

  /** The environment of the npm scripts here. */
  scriptEnvironment(): NodeJS.ProcessEnv {
    const env = { ...this.environment };
    // The scripts find the same state by themselves, as for every user who never chose a backend.
    delete env.PULUMI_BACKEND_URL;
    return env;
  }

  up(...flags: string[]): Promise<Outcome> {
    return this.operation("up", ["--yes", "--skip-preview", ...flags]);
  }

  /** An update that nobody interrupts: it writes the state once, at its end. That takes half the time of eight clusters. */
  upInOneWrite(): Promise<Outcome> {
    return this.operation("up", ["--yes", "--skip-preview"], withoutCheckpoints);
  }

  /** Both updates with which `npm start` brings a stack up from nothing. */
  async bringUp(): Promise<Outcome> {
    const outcomes: Outcome[] = [];
    for (const how of fromNothing)
      outcomes.push(succeeded(await this.operation("up", ["--yes", "--skip-preview"], how)));
    return outcomes.at(-1) as Outcome;
  }

  /** Previews, updates, and asserts that the update does what the preview listed. */
  async upAsPreviewed(): Promise<Step[]> {
    const preview = succeeded(await this.preview());
    const update = succeeded(await this.upInOneWrite());
    assert.deepEqual(listed(preview), listed(update));
    return update.changes;
  }

  /** Previews the first of the two updates of `bringUp`. */
  previewClaims(): Promise<Outcome> {
    return this.operation("preview", [], fromNothing[0]);
  }

  /** @param flags more of them. Example: `"--refresh"` */
  preview(...flags: string[]): Promise<Outcome> {
    return this.operation("preview", flags);
  }

  /** @param flags more of them. Example: `"--target", urn, "--target-dependents"` */
  destroy(...flags: string[]): Promise<Outcome> {
    return this.operation("destroy", ["--yes", "--skip-preview", ...flags]);
  }

  /** Removes the lock that a killed engine left. */
  async cancel(): Promise<void> {
    await this.pulumi("cancel", this.name, "--yes");
  }

  /** The state's text, as the backend has it or with its secrets opened. */
  async exportText({ showSecrets = false } = {}): Promise<string> {
    return this.pulumi("stack", "export", "--stack", this.name, ...(showSecrets ? ["--show-secrets"] : []));
  }

  /** Changes the text of the state. Example: `editState((text) => text.replaceAll("old", "new"))` */
  async editState(change: (text: string) => string): Promise<void> {
    const file = path.join(this.checkout, ".state/edited.json");
    fs.writeFileSync(file, change(await this.exportText()), { mode: 0o600 });
    await this.pulumi("stack", "import", "--stack", this.name, "--file", file);
    fs.rmSync(file);
  }

  async export(): Promise<StateResource[]> {
    const state = JSON.parse(await this.exportText()) as { deployment: { resources?: StateResource[] } };
    return state.deployment.resources ?? [];
  }

  async outputs<T>({ showSecrets = false } = {}): Promise<T> {
    const flags = showSecrets ? ["--show-secrets"] : [];
    return JSON.parse(await this.pulumi("stack", "output", "--stack", this.name, "--json", ...flags)) as T;
  }

  /** What is left of this stack's clusters on this machine, in words. Empty if nothing is. */
  async leftovers(ports: number[]): Promise<string[]> {
    const { directory } = this.home;
    const open: number[] = [];
    for (const port of ports) if (await isPortTaken(port)) open.push(port);
    const files = [".kwok/clusters", ".local/share/linkerd-multicluster-mesh"].flatMap((folder) =>
      entries(path.join(directory, folder)).map((entry) => path.join(folder, entry)),
    );
    // The lock, and a partial file that a killed writer left. kubectl's own cache is not the stack's.
    const besideKubeconfig = entries(path.join(directory, ".kube")).filter((entry) => entry.startsWith("config."));
    return [
      ...(await this.processes()).map(({ pid, command }) => `process ${pid} ${command}`),
      ...open.map((port) => `port ${port}`),
      ...[...files, ...besideKubeconfig.map((entry) => `.kube/${entry}`)].map((file) => `file ~/${file}`),
      ...this.contexts().map((context) => `context ${context}`),
    ];
  }

  /** Every process of this home or checkout: engines, plugins, programs, clusters. */
  async processes(): Promise<Process[]> {
    const { directory } = this.home;
    return (await processes()).filter(
      ({ command, environment }) =>
        command.includes(directory) || command.includes(this.checkout) || environment.includes(`HOME=${directory}`),
    );
  }

  /** Files of this home and its state in which a key, token or kubeconfig can be read, with their permissions. */
  filesWithSecrets(): { file: string; mode: string }[] {
    return [this.home.directory, path.join(this.checkout, ".state")].flatMap((directory) =>
      filesWithSecrets(directory).map(({ file, mode }) => ({ file: path.relative(directory, file), mode })),
    );
  }

  /** Contexts of the home's kubeconfig. */
  contexts(): string[] {
    const file = path.join(this.home.directory, ".kube/config");
    if (!fs.existsSync(file)) return [];
    const { contexts } = parse(fs.readFileSync(file, "utf8")) as { contexts?: { name: string }[] };
    return (contexts ?? []).map(({ name }) => name);
  }

  /** Takes the stack down, whatever state a failed test left it in, and removes its directories. */
  async end(): Promise<void> {
    try {
      if ((await this.export()).length > 0) {
        // The script, because a killed engine may have left its lock.
        const { ok, output } = await this.script("stop", this.name);
        if (!ok) throw new Error(`stack ${this.name} could not be destroyed:\n${output.slice(-5000)}`);
      }
    } finally {
      fs.rmSync(this.checkout, { recursive: true, force: true });
      if (this.ownsHome) {
        for (const cluster of entries(path.join(this.home.directory, ".kwok/clusters"))) {
          const kubeconfig = path.join(this.home.directory, "unused");
          const args = ["--name", cluster, "delete", "cluster", "--kubeconfig", kubeconfig];
          await execute("kwokctl", args, { env: this.environment });
        }
        this.home.remove();
      }
    }
  }

  private readStackFile(): { config?: Record<string, unknown> } {
    return parse(fs.readFileSync(this.stackFile, "utf8")) as { config?: Record<string, unknown> };
  }

  private get stackFile(): string {
    return path.join(this.checkout, `Pulumi.${this.name}.yaml`);
  }

  private async pulumi(...args: string[]): Promise<string> {
    const options = { cwd: this.checkout, env: this.environment, maxBuffer: 256 * 1024 * 1024 };
    return (await execute("pulumi", ["--non-interactive", ...args], options)).stdout;
  }

  private async operation(command: string, flags: string[], how: Record<string, string> = {}): Promise<Outcome> {
    const log = path.join(this.checkout, ".state/engine-events");
    fs.rmSync(log, { force: true });
    const began = Date.now();
    const args = [command, "--stack", this.name, "--color", "never", "--non-interactive", "--event-log", log, ...flags];
    const options = { cwd: this.checkout, env: { ...this.environment, ...how }, maxBuffer: 256 * 1024 * 1024 };
    const { ok, output } = await finished(execute("pulumi", args, options));
    const events = fs.existsSync(log) ? fs.readFileSync(log, "utf8").split("\n").filter(Boolean) : [];
    fs.rmSync(log, { force: true });
    const shown = events.filter((line) => !/"severity":\s*"debug"/.test(line));
    const seconds = (Date.now() - began) / 1000;
    return {
      ok,
      output,
      log: shown.join("\n"),
      ...readEvents(shown.map((line) => JSON.parse(line) as EngineEvent)),
      seconds,
    };
  }
}

/**
 * Each step in words, sorted, to compare a preview with its update. The provider of a replaced cluster lists one
 * changed field, the kubeconfig, while that is unknown, and two later.
 *
 * Example: `update urn:pulumi:...::mesh-west-workloads:default/nginx-set: spec.replicas`
 */
function listed({ changes }: Pick<Outcome, "changes">): string[] {
  const fields = ({ type, diff }: Step) => (type === "pulumi:providers:kubernetes" ? "" : diff.join());
  return changes.map((step) => `${step.op} ${step.urn}: ${fields(step)}`).sort();
}

/** Fails the test if the update failed. The first error matters: others follow from it, minutes later. */
export function succeeded<T extends Pick<Outcome, "ok" | "output">>(outcome: T): T {
  const errors = outcome.output.split("\n").filter((line) => /error|failed/i.test(line));
  assert.ok(outcome.ok, [...errors.slice(0, 20), "...", outcome.output.slice(-5000)].join("\n"));
  return outcome;
}

function finished(program: Promise<{ stdout: string; stderr: string }>): Promise<Pick<Outcome, "ok" | "output">> {
  return program.then(
    ({ stdout, stderr }) => ({ ok: true, output: stdout + stderr }),
    (error: { stdout?: string; stderr?: string; message: string }) => {
      if (error.stdout === undefined) throw new Error(error.message);
      return { ok: false, output: error.stdout + (error.stderr ?? "") };
    },
  );
}

/** The fields of the engine's events that are used here. */
interface EngineEvent {
  resourcePreEvent?: {
    metadata: {
      op: string;
      urn: string;
      type: string;
      detailedDiff?: Record<string, unknown> | null;
      diffs?: string[];
    };
  };
  summaryEvent?: { resourceChanges?: Record<string, number> };
}

function readEvents(events: EngineEvent[]): Pick<Outcome, "changes" | "summary"> {
  const changes = events.flatMap(({ resourcePreEvent }): Step[] => {
    if (!resourcePreEvent || resourcePreEvent.metadata.op === "same") return [];
    const { op, urn, type, detailedDiff, diffs } = resourcePreEvent.metadata;
    const diff = Object.keys(detailedDiff ?? {}).sort();
    return [{ op, urn, type, name: urn.split("::").at(-1) ?? "", diff: diff.length > 0 ? diff : (diffs ?? []) }];
  });
  const summary = events.map(({ summaryEvent }) => summaryEvent?.resourceChanges).find((one) => one !== undefined);
  return { changes, summary: summary ?? {} };
}

/** The resources but the two that also a refused update leaves: the stack, and the provider that reads its state. */
export function made<T extends { type: string }>(resources: T[]): T[] {
  return resources.filter(({ type }) => !["pulumi:pulumi:Stack", "pulumi:providers:pulumi"].includes(type));
}

function entries(directory: string): string[] {
  return fs.existsSync(directory) ? fs.readdirSync(directory) : [];
}
