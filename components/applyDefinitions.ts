import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, asAdmin, definitionsPath, servesCustomResources } from "./clusters/lifecycle/apiServer";
import { runVerb } from "../lib/verbs";
import { variable } from "./clusters/lifecycle/spec";
import { type Definition, type PackedDefinitions, unpack } from "./stripCrds";

/** Marks the definitions applied here, so that they are deleted once their chart no longer contains them. */
const manager = "linkerd-multicluster-mesh";

/** How long to wait for a server that has only just started. */
const patienceMilliseconds = 60_000;

/**
 * Applies the given CustomResourceDefinitions to a local cluster, deletes earlier ones that are no longer given, and
 * waits until all are served. definitions.ts runs it. Running it again changes nothing.
 *
 * Environment: MESH_CLUSTER_NAME, the physical name. Standard input: PackedDefinitions as JSON.
 *
 * @throws Error with the API server's message when it refuses one, or does not answer within a minute
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

/** Repeats a request until the server accepts it. A starting server gives no answer, or 429 and above. */
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
