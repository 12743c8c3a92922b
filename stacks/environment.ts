import type { Runtime } from "../config/settings";
import type { Environment } from "../lib/run";
import { chooseCharts } from "../tools/charts";
import { prepareTools, searching } from "../tools/prepare";
import { backendEnvironment } from "./backend";
import { readStackFile } from "./stackFile";

/** Prepares the tools. Returns the environment in which pulumi finds the tools, the state and the charts. */
export async function stackEnvironment(stack: string, runtime: Runtime): Promise<Environment> {
  const tools = searching(await prepareTools(runtime));
  return { ...(await pulumiEnvironment(stack, runtime)), ...tools };
}

/** The same without the tools: the backend, the settings of engine and provider, and the charts. */
export async function pulumiEnvironment(stack: string, runtime: Runtime): Promise<Environment> {
  const charts = await chooseCharts(runtime, readStackFile(stack).get);
  return { ...backendEnvironment(), ...providerEnvironment(runtime), ...charts };
}

/** For pulumi commands that do not run the program, such as `destroy` and `stack output`. Nobody asks for charts. */
export async function environmentWithoutCharts(runtime: Runtime): Promise<Environment> {
  return { ...backendEnvironment(), ...providerEnvironment(runtime), ...searching(await prepareTools(runtime)) };
}

/**
 * The kubernetes provider's setting for local clusters, as in components/clusters/local.ts. Versions before 4.29 read
 * it from the environment only, and offline/ builds such a version.
 */
export function providerEnvironment(runtime: Runtime): Environment {
  return runtime === "existing" ? {} : { PULUMI_K8S_ENABLE_PATCH_FORCE: "true" };
}
