/** What the program reads from the stack's state, in the shape in which the engine gives it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { madeClusters, urnsInState } from "../../config/state";

const urn = (type: string, name: string) => `urn:pulumi:dev::mesh::${type}::${name}`;
const spec = { name: "alice-east", context: "k3d-alice-east", ports: [10_240, 8080] };

/** pulumi, pkg/backend/backend.go, GetStackResourceOutputs */
const state: Record<string, { type: string; outputs: object }> = {
  [urn("pulumi:pulumi:Stack", "mesh-dev")]: {
    type: "pulumi:pulumi:Stack",
    outputs: { slots: { "k3d-alice-east": 3 } },
  },
  [urn("command:local:Command", "mesh-east")]: {
    type: "command:local:Command",
    outputs: { environment: { MESH_CLUSTER: JSON.stringify(spec) } },
  },
  [urn("command:local:Command", "mesh-network")]: { type: "command:local:Command", outputs: {} },
};

test("places and ports of the clusters that the stack has", async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: () => ({ id: "", state: {} }),
      call: ({ token, inputs }) => {
        assert.equal(token, "pulumi:pulumi:readStackResourceOutputs");
        return { name: (inputs as { stackName: string }).stackName, outputs: state };
      },
    },
    "mesh",
    "dev",
    false,
    "organization",
  );
  assert.deepEqual(await madeClusters("dev"), {
    slots: { "k3d-alice-east": 3 },
    ports: { "k3d-alice-east": [10_240, 8080] },
  });
  assert.deepEqual((await urnsInState("dev")).sort(), Object.keys(state).sort());
  await pulumi.runtime.disconnect();
});
