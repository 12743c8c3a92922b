import * as pulumi from "@pulumi/pulumi";

/** The URNs of the resources that the stack's state holds. */
export async function urnsInState(stack: string): Promise<string[]> {
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${stack}`;
  // A built-in function of the engine that reads the state: pulumi, pkg/resource/deploy/builtins.go.
  const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", { stackName })) as {
    outputs: Record<string, unknown>;
  };
  return Object.keys(outputs);
}
