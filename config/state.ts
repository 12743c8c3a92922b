import * as pulumi from "@pulumi/pulumi";

/** The outputs of the resources that the stack's state holds, by URN. Those of a Command contain its inputs. */
export async function readState(stack: string): Promise<Record<string, Record<string, unknown> | undefined>> {
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${stack}`;
  // A built-in function of the engine that reads the state: pulumi, pkg/resource/deploy/builtins.go.
  const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", { stackName })) as {
    outputs: Record<string, Record<string, unknown>>;
  };
  return outputs;
}

/** The URNs of the resources that the stack's state holds. */
export async function urnsInState(stack: string): Promise<string[]> {
  return Object.keys(await readState(stack));
}

/**
 * First host port of each local cluster of the stack, by context. Also of those whose creation failed.
 *
 * @example await portsInState("dev") // { "k3d-east": 6440, "k3d-west": 6441 }
 */
export async function portsInState(stack: string): Promise<Record<string, number>> {
  const specs = Object.values(await readState(stack)).flatMap((outputs) => {
    const { MESH_CLUSTER } = (outputs?.["environment"] ?? {}) as { MESH_CLUSTER?: unknown };
    return typeof MESH_CLUSTER === "string" ? [JSON.parse(MESH_CLUSTER) as { context: string; ports: number[] }] : [];
  });
  return Object.fromEntries(specs.map(({ context, ports: [first = 0] }) => [context, first]));
}
