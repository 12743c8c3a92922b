import * as fs from "node:fs";
import * as path from "node:path";
import { Argument } from "commander";
import { newCommand, parse } from "../lib/commandLine";
import { linkedDirectories } from "../tools/plugins";
import { pulumiHome } from "../tools/pulumiHome";
import { prepareTools, searching } from "../tools/prepare";
import { root } from "../lib/paths";
import { type Environment, run as runProgram, say, UserError } from "../lib/run";

interface TestStep {
  /** Shown when it fails. */
  name: string;
  args: string[];
  env?: Environment;
}

interface Part {
  runtimes: ("kwok" | "k3d")[];
  steps: () => TestStep[];
  /** Runs only when named on the command line. */
  onRequest?: true;
}

/** The parts that `npm test` runs, in this order. `npm test -- <part>` runs one of them alone. */
const parts: Record<string, Part> = {
  lint: {
    runtimes: [],
    steps: () => [
      { name: "prettier", args: [bin("prettier"), "--check", "."] },
      { name: "eslint", args: [bin("eslint"), "."] },
      { name: "tsc", args: [bin("typescript", "tsc"), "-p", "."] },
    ],
  },
  unit: { runtimes: [], steps: () => [tests("unit", [])] },
  // The page of npm run view, in a real Chromium.
  page: { runtimes: [], steps: () => [tests("page", [])] },
  // One file at a time: each brings up clusters, and two cores are enough for only one mesh.
  engine: { runtimes: ["kwok"], steps: () => [tests("engine", ["--test-concurrency=1"])] },
  // The stand-in for k3s contains the API server and kwok of the kwok runtime.
  k3d: { runtimes: ["k3d", "kwok"], steps: () => [tests("k3d", ["--test-concurrency=1"])] },
  // Interrupts at every moment. The engine part takes a sample of them.
  interrupted: {
    runtimes: ["kwok"],
    steps: () => [{ ...tests("engine", [], "interrupted.test.ts"), env: { MESH_INTERRUPTIONS: "all" } }],
    onRequest: true,
  },
};

/** `npm test [-- lint|unit|page|engine|k3d ...]`: runs all parts even if one fails, then returns 1. */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("test", "Check everything. All parts run even if one fails.", {
    "npm test": "lint, unit, page, engine and k3d, about an hour",
    "npm test -- lint unit": "these parts only",
  }).addArgument(new Argument("[parts...]", "which").choices(Object.keys(parts)));
  const named = parse(command, words).args[0] as string[];
  const chosen = Object.entries(parts).filter(([name, { onRequest }]) =>
    named.length === 0 ? !onRequest : named.includes(name),
  );
  const runtimes = chosen.flatMap(([, part]) => part.runtimes);
  const env = await testEnvironment(runtimes);
  const failed: string[] = [];
  for (const { name, args: stepArgs, env: own } of chosen.flatMap(([, part]) => part.steps())) {
    const began = Date.now();
    const code = await runProgram(process.execPath, stepArgs, { env: { ...env, ...own } });
    if (code >= 128) return code;
    if (code !== 0) failed.push(name);
    say(`${name}: ${code === 0 ? "passed" : "FAILED"} in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }
  if (failed.length > 0) say(`Failed: ${failed.join(", ")}`);
  return failed.length > 0 ? 1 : 0;
}

async function testEnvironment(runtimes: ("kwok" | "k3d")[]): Promise<Environment> {
  if (runtimes.length === 0) return {};
  const directories = await prepareTools(...runtimes);
  const home = pulumiHome();
  // Stacks of the tests have caches of their own, in which an npm script would build the plugins again.
  const search = searching([...directories, ...linkedDirectories(home)]);
  return { ...search, PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" };
}

/** A folder of tests. Files are listed one by one, because `node --test` of Node.js 20 does not expand globs. */
function tests(folder: string, flags: string[], ending = ".test.ts"): TestStep {
  const directory = path.join("tests", folder);
  const files = fs
    .readdirSync(path.join(root, directory))
    .filter((file) => file.endsWith(ending))
    .map((file) => path.join(directory, file));
  if (files.length === 0) throw new UserError(`${directory} has no *${ending}`);
  return { name: directory, args: ["--import", "tsx", "--test", "--test-reporter=spec", ...flags, ...files] };
}

/** The path of the script behind a package's command. */
function bin(packageName: string, command = packageName): string {
  const manifest = path.join(root, "node_modules", packageName, "package.json");
  const { bin } = JSON.parse(fs.readFileSync(manifest, "utf8")) as { bin: string | Record<string, string> };
  return path.join(path.dirname(manifest), typeof bin === "string" ? bin : (bin[command] ?? ""));
}
