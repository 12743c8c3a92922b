import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { say, UserError } from "../lib/run";
import { Clients } from "../traffic/client";
import { stackEnvironment } from "../stacks/environment";
import { chooseRuntime, readStackFile } from "../stacks/stackFile";
import { dockerProblem } from "../components/clusters/lifecycle/k3d";
import { type AcceptanceArguments, parseArguments } from "./arguments";
import type { Context } from "./context";
import { findLinkerd } from "./linkerd";
import { connectMesh, type Mesh } from "./mesh";
import { Product } from "./product";
import { json, junit, type Report, row, summary } from "./report";
import { runSteps, verdict } from "./runner";
import { rememberSettings } from "./settings";
import { steps } from "./steps";
import { versionsOf } from "./versions";

/**
 * `npm run acceptance [-- stack] [options]`
 *
 * @returns 0 if nothing failed, 1 if something did, 130 or 143 when a signal ended it
 */
export async function run(words: string[]): Promise<number> {
  const told = parseArguments(words, steps);
  const { stack } = told;
  const runtime = chooseRuntime(stack);
  if (runtime !== "k3d") {
    throw new UserError(`stack ${stack} has runtime ${runtime}; acceptance runs on k3d only. Next: npm run acceptance`);
  }
  const linkerd = await findLinkerd();
  if (told.requireLinkerd && linkerd === undefined) {
    throw new UserError("--require-linkerd: there is no linkerd on PATH, and LINKERD is not set. Next: install it");
  }
  const docker = await dockerProblem();
  if (docker) throw new UserError(docker);

  // `npm run env`, which previews run, creates only a stack that has a settings file.
  const { file } = readStackFile(stack);
  if (!fs.existsSync(file)) fs.writeFileSync(file, "config: {}\n");
  const product = await Product.open(stack, await stackEnvironment(stack, runtime), randomBytes(6).toString("hex"));
  try {
    refuse(told, (await product.resources()) > 0);
    return await runAll(told, product, linkerd);
  } finally {
    await product.close();
  }
}

/**
 * A run from nothing destroys its stack, so it refuses a stack that is up. Single steps need a stack that is up.
 *
 * @param isUp whether the stack has resources
 * @throws UserError
 */
export function refuse({ stack, chosen, destroyNamed }: AcceptanceArguments, isUp: boolean): void {
  const fromNothing = chosen.includes("up-from-nothing") || chosen.includes("preview-from-nothing");
  if (isUp && (fromNothing || (chosen.includes("destroy") && !destroyNamed))) {
    throw new UserError(
      `stack ${stack} is up, and this run would destroy it; nothing was done. ` +
        `Next: npm stop -- ${stack}, or npm run acceptance -- <a name that is free>, or --only STEP`,
    );
  }
  if (!isUp && !fromNothing) {
    throw new UserError(`stack ${stack} is not up. Next: npm run acceptance -- ${stack} --only up-from-nothing --keep`);
  }
}

async function runAll(told: AcceptanceArguments, product: Product, linkerd: string | undefined): Promise<number> {
  const { stack, chosen, leftOut, keep } = told;
  const stop = new AbortController();
  let exit = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    exit = signal === "SIGINT" ? 130 : 143;
    if (!stop.signal.aborted) say(`\n${signal}: ${keep ? "ending" : "cleaning up"} ...`);
    stop.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);

  let mesh: Promise<Mesh> | undefined;
  const context: Context = {
    product,
    clients: new Clients("mesh-acceptance", stop.signal),
    signal: stop.signal,
    mesh: () => {
      mesh ??= connectMesh(stack, product.env).catch((error: unknown) => {
        mesh = undefined; // a later step asks again
        throw error;
      });
      return mesh;
    },
    forgetMesh: () => (mesh = undefined),
    linkerd,
    images: [],
    restoreSettings: rememberSettings(readStackFile(stack).file),
  };
  const start = performance.now();
  try {
    const versions = await versionsOf(stack, product.env, linkerd);
    console.log(`Stack ${stack} on k3d: ${Object.entries(versions).map((version) => version.join(" ")).join(", ")}`); // prettier-ignore
    say(`What the commands print goes to ${path.relative(process.cwd(), product.log)}`);
    const outcomes = await runSteps(
      steps.filter(({ id }) => chosen.includes(id)),
      context,
      stop.signal,
      ({ title }) => say(`... ${title}`),
      (outcome) => console.log(row(outcome)),
    );
    await context.clients.close().catch((error: unknown) => say(`a client could not be removed: ${String(error)}`));
    const { images } = context;
    const seconds = (performance.now() - start) / 1000;
    const report: Report = { stack, runtime: "k3d", versions, images, steps: outcomes, leftOut, seconds };
    console.log(summary(report));
    if (!chosen.includes("destroy") && (await product.resources()) > 0)
      console.log(`Stack ${stack} is kept. Next: npm stop -- ${stack}`);
    if (told.json) write(told.json, json(report));
    if (told.junit) write(told.junit, junit(report));
    return exit || (verdict(outcomes) === "failed" ? 1 : 0);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function write(file: string, text: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}
