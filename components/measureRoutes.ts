import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { measureRoutes } from "../lib/podRoutes";
import { UserError } from "../lib/run";
import { runToEnd } from "../lib/verbs";
import { variable } from "./clusters/lifecycle/spec";

/** Includes pulling an image. */
const patienceMs = 120_000;

/**
 * Measures, before two existing clusters are linked, whether pods of one reach those of the other. The network is the
 * user's, and without its routes services exported pod to pod would not answer.
 *
 * Environment: MESH_SOURCE and MESH_TARGET (names), MESH_SOURCE_KUBECONFIG and MESH_TARGET_KUBECONFIG.
 *
 * @throws UserError naming the nodes between which there is no way, or that nothing could be measured
 */
async function measure(): Promise<void> {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort()).once("SIGTERM", () => stop.abort());
  const end = Date.now() + patienceMs;
  const patience = { leftMs: () => end - Date.now(), signal: stop.signal };
  const [source, target] = [variable("MESH_SOURCE"), variable("MESH_TARGET")];
  const [here, there] = [core("MESH_SOURCE_KUBECONFIG"), core("MESH_TARGET_KUBECONFIG")];
  const { answered, missing, unasked, silent } = await measureRoutes(here, there, "linkerd-multicluster", patience);
  for (const why of [...unasked, ...silent]) console.log(`not measured: ${why}`);
  const again = "run the same command again, or pulumi config set network gateway";
  if (missing.length > 0) {
    const ways = missing.map(({ from, to, pods }) => `from node ${from} of ${source} to node ${to} of ${target} (pods ${pods.join(", ")})`); // prettier-ignore
    throw new UserError(
      `network is "flat", but there is no way ${ways.join(", ")}; allowed: clusters whose pods reach each other. ` +
        `Next: give your network these routes (docs/modes.md) and ${again}`,
    );
  }
  if (answered.length === 0) {
    throw new UserError(
      `network is "flat", but it cannot be measured whether pods of ${source} reach pods of ${target}: ` +
        `${[...unasked, ...silent].join("; ")}. Next: ${again}`,
    );
  }
  console.log(`pods of ${source} reach pods of ${target}: ${answered.length} ways between nodes`);
}

function core(kubeconfig: string): CoreV1Api {
  const config = new KubeConfig();
  config.loadFromString(variable(kubeconfig));
  return config.makeApiClient(CoreV1Api);
}

if (require.main === module) void runToEnd(measure);
