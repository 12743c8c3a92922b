import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, asAdmin, definitionsPath, servesCustomResources } from "./clusters/lifecycle/apiServer";
import { runVerb } from "../lib/verbs";
import { variable } from "./clusters/lifecycle/spec";
import { type Definition, type PackedDefinitions, unpack } from "./stripCrds";

/** Marks what was applied here, so that it goes when its chart has it no more. */
const manager = "linkerd-multicluster-mesh";

/** How long a server may take that was started just now. */
const patienceMilliseconds = 60_000;

/**
 * Makes those CustomResourceDefinitions of a local cluster that were applied here before the given ones, and waits until all
 * are served. Run by definitions.ts; done again it changes nothing.
 *
 * Environment: MESH_CLUSTER_NAME, the name outside. Standard input: PackedDefinitions as JSON.
 *
 * @throws Error with the API server's words when it refuses one, or does not answer within a minute
 */
async function apply(cluster: string, packed: PackedDefinitions): Promise<void> {
  const given = unpack(packed);
  if (Object.keys(given).length === 0) throw new Error("no definitions were given: the chart rendered none");
  const ask = await asAdmin(cluster);
  for (const [name, body] of Object.entries(given)) {
    await accepted(() => ask(`${definitionsPath}/${name}?fieldManager=${manager}&force=true`, "PATCH", body), name);
  }
  const list = await accepted(() => ask(definitionsPath), "the list of definitions");
  for (const { metadata } of (JSON.parse(list) as { items: Definition[] }).items) {
    const applied = metadata.managedFields?.some((entry) => entry.manager === manager) ?? false;
    // https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource
    const kept = metadata.annotations?.["helm.sh/resource-policy"] === "keep";
    if (!applied || kept || metadata.name in given) continue;
    await accepted(() => ask(`${definitionsPath}/${metadata.name}`, "DELETE"), `deleting ${metadata.name}`);
  }
  const served = async () => ({ status: (await servesCustomResources(cluster)) ? 200 : 0, text: "not served" });
  await accepted(served, "custom resources");
}

/** Asks until the server takes it in. Nothing, or 429 and above, is what one says that is starting. */
async function accepted(ask: () => Promise<Answer>, what: string): Promise<string> {
  for (const end = Date.now() + patienceMilliseconds; ; await sleep(250)) {
    const { status, text } = await ask();
    if (status >= 200 && status < 300) return text;
    const starting = status === 0 || status >= 429;
    if (!starting || Date.now() > end) throw new Error(`${what}: ${status} ${text}`);
  }
}

if (require.main === module) {
  void runVerb({
    apply: async () => apply(variable("MESH_CLUSTER_NAME"), JSON.parse(await text(process.stdin)) as PackedDefinitions),
  });
}
