import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { stringify } from "yaml";
import { engineSettings } from "../stacks/backend";
import { root } from "../lib/paths";
import { pulumiHome } from "../tools/pulumiHome";
import { capture, type Environment, UserError } from "../lib/run";
import { fromNothing } from "../stacks/bringUp";
import { providerEnvironment } from "../stacks/environment";
import { withoutCheckpoints } from "../stacks/stack";
import { type Cost, measure, together } from "./measure";
import type { StateSize } from "./results";

/** A stack that exists only to be measured. */
export interface LabStack {
  /** Runs a pulumi command on it. Example: `stack.pulumi("up", "--yes")` */
  pulumi: (verb: string, ...flags: string[]) => Promise<Cost>;
  /** Brings it up from nothing, as `npm start` does. */
  bringUp: () => Promise<Cost>;
  /** Its state with secrets in plain text. */
  export: () => Promise<string>;
  state: () => Promise<StateSize>;
}

/** Keeps state, clusters, kubeconfig and logs of a measurement in one temporary directory. */
export class Lab {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-bench-"));
  readonly log = path.join(this.directory, "log.txt");
  readonly env: Environment;
  private readonly stacks: LabStack[] = [];

  /** @param tools the environment that selects tools and charts */
  constructor(tools: Environment) {
    const inside = (name: string) => path.join(this.directory, name);
    for (const name of ["state", "kwok", "data"]) fs.mkdirSync(inside(name));
    shareKwokCache(inside("kwok"));
    this.env = {
      ...tools,
      PULUMI_HOME: pulumiHome(),
      ...engineSettings,
      ...providerEnvironment("k3d"),
      PULUMI_BACKEND_URL: `file://${inside("state")}`,
      PULUMI_CONFIG_PASSPHRASE: "measured and thrown away",
      KWOK_WORKDIR: inside("kwok"),
      XDG_DATA_HOME: inside("data"),
      KUBECONFIG: inside("kubeconfig"),
    };
  }

  /** Creates a stack of the project in `cwd`, without writing into the project. */
  async stack(name: string, config: Record<string, unknown>, cwd = root): Promise<LabStack> {
    // `stack init` writes beside the Pulumi.yaml of its working directory.
    const settings = path.join(this.directory, name);
    fs.mkdirSync(settings);
    fs.copyFileSync(path.join(cwd, "Pulumi.yaml"), path.join(settings, "Pulumi.yaml"));
    await this.capture(["stack", "init", name, "--no-select"], settings);
    const file = path.join(settings, `Pulumi.${name}.yaml`);
    fs.appendFileSync(file, stringify({ config }));
    const project = /^name: (.*)$/m.exec(fs.readFileSync(path.join(cwd, "Pulumi.yaml"), "utf8"))?.[1] ?? "";

    const flags = ["--stack", name, "--config-file", file, "--non-interactive"];
    const run = (how: Environment, verb: string, ...more: string[]) =>
      measure("pulumi", [verb, ...flags, ...more], { env: { ...this.env, ...how }, cwd, log: this.log });
    const stack: LabStack = {
      // Uses the settings of the npm scripts.
      pulumi: (verb, ...more) => run(verb === "destroy" ? withoutCheckpoints : {}, verb, ...more),
      bringUp: async () => {
        const costs: Cost[] = [];
        for (const how of fromNothing) costs.push(await run(how, "up", "--yes", "--skip-preview"));
        return together(costs);
      },
      export: () => this.capture(["stack", "export", "--show-secrets", "--stack", name], cwd),
      state: async () => {
        const text = await this.capture(["stack", "export", "--stack", name], cwd);
        const state = JSON.parse(text) as { deployment: { resources?: unknown[] } };
        return {
          file: fs.statSync(path.join(this.directory, "state", ".pulumi", "stacks", project, `${name}.json.zst`)).size,
          json: Buffer.byteLength(JSON.stringify(state)),
          resources: state.deployment.resources?.length ?? 0,
        };
      },
    };
    this.stacks.push(stack);
    return stack;
  }

  /** Previews several stacks at the same time. The cost is that of all, until the last has ended. */
  previewAtOnce(names: string[]): Promise<Cost> {
    // One shell, because only one program can be measured at a time. xargs fails if one of them does.
    const file = path.join(this.directory, "%", "Pulumi.%.yaml");
    const preview = `pulumi preview --stack % --config-file "${file}" --non-interactive`;
    const script = `printf '%s\\n' "$@" | xargs -P ${names.length} -I % ${preview}`;
    return measure("sh", ["-c", script, "sh", ...names], { env: this.env, cwd: root, log: this.log });
  }

  /** Destroys the stacks and removes the directory. On failure the directory stays, and the error names it. */
  async close(): Promise<void> {
    try {
      for (const stack of this.stacks) {
        if ((await stack.state()).resources > 0) await stack.pulumi("destroy", "--yes", "--skip-preview");
      }
    } catch (error) {
      throw new UserError(`${this.directory} is left as it is, clusters running: ${String(error)}`);
    }
    fs.rmSync(this.directory, { recursive: true });
  }

  private async capture(args: string[], cwd: string): Promise<string> {
    const { code, stdout, stderr } = await capture("pulumi", args, { env: this.env, cwd });
    if (code !== 0) throw new UserError(`pulumi ${args.join(" ")} failed: ${stderr.trim()}`);
    return stdout;
  }
}

/** kwokctl caches downloads in its directory. The lab has its own directory, so this links the user's cache there. */
function shareKwokCache(directory: string): void {
  const cache = path.join(process.env.KWOK_WORKDIR ?? path.join(os.homedir(), ".kwok"), "cache");
  if (fs.existsSync(cache)) fs.symlinkSync(cache, path.join(directory, "cache"));
}
