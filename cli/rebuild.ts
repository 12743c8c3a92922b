import { say, UserError } from "./run";
import { createStack, stackEnvironment, stackExists, update } from "./stack";
import { chooseRuntime, readSettings } from "./stackFile";
import { run as raise } from "./start";
import { parseStackArguments } from "./arguments";

/** `npm run rebuild -- <stack> <cluster>`: one cluster anew, the others and the trust anchor as they are. */
export async function run(args: string[]): Promise<number> {
  const { stack, passedOn } = parseStackArguments(args.slice(0, 1));
  const cluster = args[1];
  const runtime = chooseRuntime(stack);
  const clusters = readSettings(stack).get("clusters") as string[];
  if (runtime === "existing") throw new UserError("existing clusters are never deleted, so there is none to rebuild");
  if (cluster === undefined || args.length > 2 || passedOn.length > 0 || !clusters.includes(cluster)) {
    throw new UserError(
      `rebuild got ${args.join(" ") || "nothing"}; allowed: a stack and one of its clusters (${clusters.join(", ")}). ` +
        `Next: npm run rebuild -- ${stack} ${clusters[0]}`,
    );
  }
  const env = await stackEnvironment(stack, runtime);
  if (!(await stackExists(stack, env))) await createStack(stack, env);
  say(`Cluster ${cluster} of stack ${stack} and all that depends on it goes, then comes anew`);
  const target = `**Cluster$command:local:Command::mesh-${cluster}-claim`;
  const code = await update("destroy", stack, ["--target", target, "--target-dependents"], {
    ...env,
    // Links of other clusters may be asked of a cluster that is gone.
    PULUMI_K8S_DELETE_UNREACHABLE: "true",
  });
  return code === 0 ? raise([stack]) : code;
}
