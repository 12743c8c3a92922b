import * as fs from "node:fs/promises";
import { type LocalRuntime, wake } from "../../components/clusters/lifecycle/check";
import { k3d } from "../../components/clusters/lifecycle/k3d";
import { kwok } from "../../components/clusters/lifecycle/kwok";
import { physicalNameOf } from "../../config/physicalName";
import { exclusively } from "../../lib/locks";
import { clusterDirectory, ownerFile } from "../../lib/paths";
import { UserError } from "../../lib/run";
import { nextDrill, type Drill, type Place } from "../drill";

interface Stopped {
  /** Physical name. */
  cluster: string;
}

function runtimeOf(place: Place): LocalRuntime {
  const { runtime } = place.stack;
  if (runtime !== "existing") return runtime === "k3d" ? k3d : kwok;
  throw new UserError(`drill cluster stops the nodes of a local cluster, and stack ${place.stack.name} has none. ${nextDrill(place)}`); // prettier-ignore
}

export const cluster: Drill<Stopped> = {
  id: "cluster",
  breaks: ({ target }) => `all nodes of ${target.name} are stopped`,
  operator: ({ stack }) =>
    `npm start -- ${stack.name} starts stopped clusters. Then npm run heal -- ${stack.name}, because the headless ` +
    "mirrors of the other clusters may keep addresses that are not ready",
  changes: undefined,
  async prepare(place) {
    const runtime = runtimeOf(place);
    const name = physicalNameOf(place.stack.name, place.target.name);
    const found = await runtime.find(name);
    if (found && found.owner === (await ownerOf(name))) return { cluster: name };
    throw new UserError(`${runtime.name} cluster ${name} is not this stack's. Next: npm start -- ${place.stack.name}`);
  },
  async break(place, { cluster: name }) {
    await exclusively(clusterDirectory(name), () => runtimeOf(place).stop(name));
  },
  async restore(place, { cluster: name }) {
    const runtime = runtimeOf(place);
    const [owner, found] = [await ownerOf(name), await runtime.find(name)];
    // Without an owner the stack was destroyed, and there is nothing to start.
    if (owner !== undefined && found) await wake(runtime, name, owner, found);
  },
};

function ownerOf(name: string): Promise<string | undefined> {
  return fs.readFile(ownerFile(name), "utf8").catch(() => undefined);
}
