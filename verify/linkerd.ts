import { UserError } from "../lib/run";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { client, reason } from "./api";
import { type Stack } from "./stack";
import { Interrupted, type Deadline } from "./watch";

const exec = promisify(execFile);

export interface Outcome {
  /** As `linkerd` words them. */
  failures: string[];
  /** Failures of checks that this machine cannot judge, because it does not reach the addresses in the links. */
  leftOut: string[];
  warnings: string[];
}

/** Writes a kubeconfig to a file that only its owner can read, and removes the file after use. */
async function withKubeconfig<T>(kubeconfig: string, use: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "mesh-verify-"));
  try {
    const file = join(folder, "kubeconfig");
    await writeFile(file, kubeconfig, { mode: 0o600 });
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The error of execFile. `code` is the exit code, or Node's own code if the program did not run. */
type Failure = Error & { code?: number | string | null; killed?: boolean; stdout?: string };

/** The part of `linkerd check --output json` that is read here: linkerd2, pkg/healthcheck/healthcheck_output.go. */
interface CheckOutput {
  categories?: { categoryName: string; checks?: { description: string; error?: string; result: string }[] }[] | null;
}

/** One check in the output of `linkerd check`. */
interface CheckResult {
  category: string;
  description: string;
  error?: string;
  result: string;
}

/** Checks of the multicluster extension that dial the targets' API servers: linkerd2, multicluster/cmd/check.go. */
const dialling = ["remote cluster access credentials are valid", "clusters share trust anchors"];

/** Fails for up to a minute in a new mesh: see `refreshSeconds` in damage.ts. */
const emptyMirrors = "all mirror services have endpoints";

/** Time for one more `linkerd check`, milliseconds. */
const oneMoreCheck = 40_000;

/** Runs `linkerd check` until it finds no empty mirror, or the time is nearly over. Parameters: `linkerdCheck` */
export async function settledLinkerdCheck(...args: Parameters<typeof linkerdCheck>): Promise<Outcome | undefined> {
  const [, deadline] = args;
  for (;;) {
    const outcome = await linkerdCheck(...args);
    const isEmpty = outcome?.failures.some((failure) => failure.includes(emptyMirrors)) ?? false;
    if (!isEmpty || deadline.leftMs() < oneMoreCheck) return outcome;
    await sleep(2_000);
  }
}

/**
 * Runs the user's `linkerd check` against one cluster.
 *
 * @param unreachable whether this machine cannot reach other clusters at the addresses in the links. `linkerd check`
 *   also runs the checks of the multicluster extension, and two of these dial the addresses.
 * @returns undefined when there is no `linkerd` on PATH
 * @throws Error when it gave no answer: it could not be started, did not end in time, or wrote something else
 */
export async function linkerdCheck(
  kubeconfig: string,
  deadline: Deadline,
  unreachable: boolean,
): Promise<Outcome | undefined> {
  return withKubeconfig(kubeconfig, async (file) => {
    // `linkerd` takes whole seconds, and waits this long twice: for its own checks and for the extension's.
    const wait = Math.max(1, Math.floor(deadline.leftMs() / 3000));
    const args = ["check", "--output", "json", "--kubeconfig", file, "--wait", `${wait}s`];
    const timeout = Math.ceil(deadline.leftMs());
    const { stdout, failure } = await exec("linkerd", args, {
      signal: deadline.signal,
      timeout,
      maxBuffer: 16 << 20,
    }).then(
      ({ stdout }) => ({ stdout, failure: undefined }),
      (failure: Failure) => ({ stdout: failure.stdout ?? "", failure }),
    );
    if (deadline.signal.aborted) throw new Interrupted();
    if (failure?.code === "ENOENT") return undefined;
    if (failure?.killed && failure.code === null)
      throw new Error(`\`linkerd check\` did not end within ${deadline.seconds} s`);
    // The exit code is 1 when a check failed, and the output says which. It stays 0 after warnings.
    if (failure && (typeof failure.code !== "number" || stdout.trim() === "")) throw failure;
    const outcome = judged(stdout, unreachable);
    const explained = outcome.failures.length > 0 || outcome.leftOut.length > 0;
    if (failure && !explained) outcome.failures.push(reason(failure));
    return outcome;
  });
}

/** @throws Error when it is not what `linkerd check --output json` writes */
export function judged(output: string, unreachable: boolean): Outcome {
  if (output.trim() === "") throw new Error("`linkerd check` wrote nothing");
  const outcome: Outcome = { failures: [], leftOut: [], warnings: [] };
  for (const { category, description, error, result } of checkResults(output)) {
    const text = `${category}: ${description}: ${error?.trim().replace(/\s*\n\s*/g, ", ") ?? result}`;
    if (result === "warning") outcome.warnings.push(text);
    if (result !== "error") continue;
    if (unreachable && dialling.includes(description)) outcome.leftOut.push(text);
    else outcome.failures.push(text);
  }
  return outcome;
}

/**
 * Reads the output of `linkerd check --output json`: one document for the control plane, and one per extension.
 *
 * @throws Error when a document is not JSON
 */
export function checkResults(output: string): CheckResult[] {
  const documents = output.split(/^(?=\{)/m).filter((text) => text.trim());
  const outputs = documents.map((text): CheckOutput => {
    try {
      return JSON.parse(text) as CheckOutput;
    } catch {
      throw new Error(`\`linkerd check\` wrote no JSON: ${text.trim().split("\n")[0]}`);
    }
  });
  return outputs
    .flatMap(({ categories }) => categories ?? [])
    .flatMap(({ categoryName, checks }) => (checks ?? []).map((check) => ({ category: categoryName, ...check })));
}

/**
 * `--linkerd`: runs the user's own `linkerd multicluster check` once per cluster, where the names in the links resolve.
 * On k3d that is a container on the clusters' network. It starts from the image that the clusters already run. It has
 * no bind mounts, so a Docker engine on another machine works as well. Elsewhere the check runs on this machine.
 *
 * @returns the exit code: 0 only if every cluster passed
 * @throws UserError where it cannot run
 */
export async function multiclusterCheck(stack: Stack): Promise<number> {
  if (stack.runtime === "kwok") {
    throw new UserError(
      `--linkerd: stack ${stack.name} runs on kwok, whose pods are simulated; it needs k3d or existing`,
    );
  }
  const binary = await linkerdBinary();
  let worst = 0;
  for (const [name, kubeconfig] of Object.entries(stack.kubeconfigs)) {
    console.log(`\n${name}: linkerd multicluster check`);
    const code = await withKubeconfig(await reachable(stack, name, kubeconfig), (file) =>
      stack.runtime === "k3d"
        ? inContainer(stack, name, binary, file)
        : run(binary, ["multicluster", "check", "--kubeconfig", file]),
    );
    worst = Math.max(worst, code);
  }
  return worst;
}

/** Inside the network the API server has another address than on the host. */
async function reachable(stack: Stack, name: string, kubeconfig: string): Promise<string> {
  const server = stack.clusters[name]?.apiServer;
  if (stack.runtime !== "k3d" || server === undefined) return kubeconfig;
  const { KubeConfig } = await client();
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster || !user) throw new UserError(`kubeconfigs: ${name} has no current context`);
  config.loadFromClusterAndUser({ ...cluster, server }, user);
  return config.exportConfig();
}

async function linkerdBinary(): Promise<string> {
  const chosen = process.env["LINKERD"];
  if (chosen) return chosen;
  try {
    return (await exec("sh", ["-c", "command -v linkerd"])).stdout.trim();
  } catch (error) {
    // A number is the shell's exit code. Anything else means that the shell did not run.
    if (typeof (error as { code?: unknown }).code !== "number") throw error;
    throw new UserError(
      "--linkerd: there is no `linkerd` on PATH\nNext: LINKERD=/path/to/linkerd npm run verify -- --linkerd (on k3d a Linux binary)",
    );
  }
}

/** `docker create`, `cp`, `start`: the two files are copied through Docker's API, and removed with the container. */
async function inContainer(stack: Stack, name: string, binary: string, kubeconfig: string): Promise<number> {
  const node = `${stack.clusters[name]?.context}-server-0`;
  const format = "{{.Config.Image}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
  const [image, network] = (await exec("docker", ["inspect", "--format", format, node])).stdout.trim().split(" ");
  if (!image || !network)
    throw new UserError(`--linkerd: docker knows no network of ${node}\nNext: docker inspect ${node}`);
  const args = ["create", "--network", network, "--entrypoint", "/linkerd", image];
  const check = ["multicluster", "check", "--kubeconfig", "/kubeconfig"];
  const container = (await exec("docker", [...args, ...check])).stdout.trim();
  try {
    await exec("docker", ["cp", "--follow-link", binary, `${container}:/linkerd`]);
    await exec("docker", ["cp", kubeconfig, `${container}:/kubeconfig`]);
    return await run("docker", ["start", "--attach", container]);
  } finally {
    await exec("docker", ["rm", "--force", container]);
  }
}

function run(command: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    spawn(command, args, { stdio: "inherit" })
      .on("error", reject)
      .on("exit", (code) => resolve(code ?? 1));
  });
}
