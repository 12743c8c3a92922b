import { say, UserError } from "../lib/run";
import { existingStackEnvironment, stackState, update } from "../stacks/stack";
import { chooseRuntime, readStackFile } from "../stacks/stackFile";
import { newCommand, parse, stackName } from "../lib/commandLine";
import { exclusiveUpdate } from "../stacks/exclusiveUpdate";
import { start } from "./start";

/** `npm run rebuild -- <stack> <cluster>`: deletes one cluster and creates it again. */
export async function run(words: string[]): Promise<number> {
  const command = newCommand(
    "rebuild",
    "Delete one local cluster and create it again. The others and the trust anchor stay.",
    {
      "npm run rebuild -- dev west": "cluster west of stack dev",
    },
  )
    .argument("<stack>", "the Pulumi stack", stackName)
    .argument("<cluster>", "its name in the mesh");
  const [stack, cluster] = parse(command, words).args as [string, string];
  const runtime = chooseRuntime(stack);
  const clusters = readStackFile(stack).get("clusters") as string[];
  if (runtime === "existing") throw new UserError("existing clusters are never deleted, so there is none to rebuild");
  if (!clusters.includes(cluster)) {
    throw new UserError(
      `cluster is ${cluster}; allowed: ${clusters.join(", ")}. Next: npm run rebuild -- ${stack} ${clusters[0]}`,
    );
  }
  const env = await existingStackEnvironment(stack);
  const claim = `::mesh-${cluster}-claim"`;
  if (!JSON.stringify(await stackState(stack, env)).includes(claim)) {
    throw new UserError(`stack ${stack} has no cluster ${cluster} yet. Next: npm start -- ${stack}`);
  }
  return exclusiveUpdate(stack, `npm run rebuild -- ${stack} ${cluster}`, async () => {
    say(`Deleting cluster ${cluster} of stack ${stack} and all that depends on it, then creating it again`);
    const target = `**Cluster$command:local:Command::mesh-${cluster}-claim`;
    const code = await update("destroy", stack, ["--target", target, "--target-dependents"], {
      ...env,
      // The provider would otherwise fail to delete objects in a cluster that no longer exists.
      PULUMI_K8S_DELETE_UNREACHABLE: "true",
    });
    return code === 0 ? start(stack) : code;
  });
}
