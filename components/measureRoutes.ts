import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { measureRoutes } from "../lib/podRoutes";
import { UserError } from "../lib/run";
import { runToEnd } from "../lib/verbs";
import { variable } from "./clusters/lifecycle/spec";

/**
 * Measures, before two existing clusters are linked, whether pods of one reach those of the other. The network is the
 * user's, and without its routes services exported pod to pod would not answer.
 *
 * Environment: MESH_SOURCE and MESH_TARGET (names), MESH_SOURCE_KUBECONFIG and MESH_TARGET_KUBECONFIG.
 *
 * @throws UserError naming the nodes between which there is no way
 */
async function measure(): Promise<void> {
  const [source, target] = [variable("MESH_SOURCE"), variable("MESH_TARGET")];
  const [here, there] = [core("MESH_SOURCE_KUBECONFIG"), core("MESH_TARGET_KUBECONFIG")];
  const { answered, missing, unknown } = await measureRoutes(here, there, "linkerd-multicluster");
  for (const why of unknown) console.log(`not measured: ${why}`);
  console.log(
    `pods of ${source} reach pods of ${target} over ${answered.length} of ${answered.length + missing.length} ways`,
  );
  if (missing.length === 0) return;
  const ways = missing.map(
    ({ from, to, pod }) => `from node ${from} of ${source} to pod ${pod} on node ${to} of ${target}`,
  );
  throw new UserError(
    `network is "flat", but there is no way ${ways.join(", ")}; allowed: clusters whose pods reach each other. ` +
      "Next: give your network these routes (docs/modes.md) and run the same command again, or pulumi config set network gateway",
  );
}

function core(kubeconfig: string): CoreV1Api {
  const config = new KubeConfig();
  config.loadFromString(variable(kubeconfig));
  return config.makeApiClient(CoreV1Api);
}

if (require.main === module) void runToEnd(measure);
