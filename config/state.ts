import * as pulumi from "@pulumi/pulumi";
import type { Slots } from "./slots";

/** The outputs of the resources that the stack's state holds, by URN. Those of a Command contain its inputs. */
export async function readState(stack: string): Promise<Record<string, Record<string, unknown>>> {
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${stack}`;
  // A built-in function of the engine that reads the state. It gives the type and the outputs of each resource: pulumi,
  // pkg/backend/backend.go, GetStackResourceOutputs.
  const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", { stackName })) as {
    outputs: Record<string, { outputs: Record<string, unknown> }>;
  };
  return Object.fromEntries(Object.entries(outputs).map(([urn, resource]) => [urn, resource.outputs]));
}

/** The URNs of the resources that the stack's state holds. */
export async function urnsInState(stack: string): Promise<string[]> {
  return Object.keys(await readState(stack));
}

/** What the state says about the stack's local clusters, by context. */
export interface MadeClusters {
  /** Undefined for a stack of an older version, and after a first update that failed. */
  slots?: Slots;
  /** All host ports. Also of clusters whose creation failed. */
  ports: Record<string, number[]>;
}

/**
 * The places and ports of the local clusters that the stack has.
 *
 * @example await madeClusters("dev") // { slots: { "k3d-east": 0 }, ports: { "k3d-east": [6440] } }
 */
export async function madeClusters(stack: string): Promise<MadeClusters> {
  const all = Object.entries(await readState(stack));
  const specs = all.flatMap(([, outputs]) => {
    const { MESH_CLUSTER } = (outputs["environment"] ?? {}) as { MESH_CLUSTER?: unknown };
    return typeof MESH_CLUSTER === "string" ? [JSON.parse(MESH_CLUSTER) as { context: string; ports: number[] }] : [];
  });
  const [, outputs] = all.find(([urn]) => urn.includes("::pulumi:pulumi:Stack::")) ?? [];
  return {
    slots: outputs?.["slots"] as Slots | undefined,
    ports: Object.fromEntries(specs.map(({ context, ports }) => [context, ports])),
  };
}
