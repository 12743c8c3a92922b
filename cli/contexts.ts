import { addContext, userKubeconfig } from "../lib/userKubeconfig";
import { newCommand, parse, takesStack } from "../lib/commandLine";
import { say, UserError } from "../lib/run";
import { existingStackEnvironment, stackOutputs } from "../stacks/stack";
import { chooseRuntime } from "../stacks/stackFile";

/** `npm run contexts [-- stack]`: puts a stack's contexts into your kubeconfig again. */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("contexts", "Put a stack's contexts into your kubeconfig again.", {
    "npm run contexts -- dev": "kubectl --context k3d-east works again",
  });
  const stack = parse(takesStack(command), words).args[0] as string;
  if (chooseRuntime(stack) === "existing")
    throw new UserError("contexts of existing clusters are yours: nothing is written");
  const env = await existingStackEnvironment(stack);
  const { kubeconfigs, clusters } = (await stackOutputs(stack, env, "--show-secrets")) as {
    kubeconfigs?: Record<string, string>;
    clusters?: Record<string, { context: string }>;
  };
  if (!kubeconfigs || !clusters) throw new UserError(`stack ${stack} is not up. Next: npm start -- ${stack}`);
  for (const [name, kubeconfig] of Object.entries(kubeconfigs)) {
    await addContext(kubeconfig);
    say(`${clusters[name]?.context} is in ${userKubeconfig()}`);
  }
  return 0;
}
