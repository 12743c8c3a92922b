import { addContext, userKubeconfig } from "../components/clusters/lifecycle/kubeconfig";
import { parseStackOnly } from "./arguments";
import { say, UserError } from "./run";
import { stackEnvironment, stackExists, stackOutputs } from "./stack";
import { chooseRuntime } from "./stackFile";

/** `npm run contexts [-- stack]`: puts a stack's contexts into your kubeconfig again. */
export async function run(args: string[]): Promise<number> {
  const stack = parseStackOnly(args, "contexts");
  const runtime = chooseRuntime(stack);
  if (runtime === "existing") throw new UserError("contexts of existing clusters are yours: nothing is written");
  const env = await stackEnvironment(stack, runtime);
  if (!(await stackExists(stack, env))) throw new UserError(`stack ${stack} is not there. Next: npm start -- ${stack}`);
  const { kubeconfigs, clusters } = (await stackOutputs(stack, env, "--show-secrets")) as {
    kubeconfigs: Record<string, string>;
    clusters: Record<string, { context: string }>;
  };
  for (const [name, kubeconfig] of Object.entries(kubeconfigs)) {
    await addContext(kubeconfig);
    say(`${clusters[name]?.context} is in ${userKubeconfig()}`);
  }
  return 0;
}
