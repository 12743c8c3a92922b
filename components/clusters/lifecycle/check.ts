import * as fs from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isPortTaken } from "../../../lib/ports";
import { isReady, servesCustomResources } from "./apiServer";
import { exists, writePrivately } from "../../../lib/files";
import { exclusively } from "../../../lib/locks";
import { cacheDirectory, claimedPortsFile, clusterDirectory, ownerFile, ownKubeconfig } from "../../../lib/paths";
import { UserError } from "../../../lib/run";
import type { LocalSpec } from "./spec";

/** A cluster on this machine. */
export interface Found {
  /** Who made it, undefined if no stack did. */
  owner: string | undefined;
  running: boolean;
}

/** The differences between k3d and kwok that matter to these checks. */
export interface LocalRuntime {
  name: "k3d" | "kwok";
  /** The program that makes the clusters. */
  program: string;
  /** Finds the cluster with that physical name, whoever made it. */
  find(physicalName: string): Promise<Found | undefined>;
  /** Starts the stopped parts of a cluster. */
  start(physicalName: string): Promise<unknown>;
  /** Stops a cluster, and keeps it. */
  stop(physicalName: string): Promise<unknown>;
  /** The command to type to delete a cluster. */
  deleteCommand(physicalName: string): string;
}

/** Why this cluster is not touched: it is someone else's. */
function refusal(runtime: LocalRuntime, name: string, found: Found | undefined, owner: string) {
  if (!found || found.owner === owner) return undefined;
  return (
    `${runtime.name} cluster ${name} belongs to ${found.owner ?? "someone else (no stack made it)"}, but this is ` +
    `${owner}; it is left alone. Next: use a stack of another name (npm start -- <name>), or ` +
    runtime.deleteCommand(name)
  );
}

/**
 * Why an update cannot go on with this cluster, or undefined. Asked before anything is created, in previews too.
 *
 * Detects a cluster that this stack made and that is gone. Pulumi cannot: it never reads Commands, and would print
 * thousands of words about unreachable servers.
 *
 * @param found the cluster of that name, if there is one
 * @param rebuild the command that rebuilds the cluster. Example: `npm run rebuild -- dev west`
 */
export async function problem(
  runtime: LocalRuntime,
  spec: LocalSpec,
  owner: string,
  found: Found | undefined,
  rebuild: string,
): Promise<string | undefined> {
  const refused = refusal(runtime, spec.name, found, owner);
  if (refused) return refused;
  if (found) return undefined;
  if (!(await wasMade(spec.name, owner))) return (await claimProblem(spec, owner)) ?? takenProblem(spec);
  return `${runtime.name} cluster ${spec.name}, which this stack made, is gone. Next: ${rebuild}`;
}

/**
 * Starts the cluster if this stack made it and it is stopped, as after a reboot: nothing can be previewed without it.
 *
 * @returns whether it had to be started
 * @throws Error when it does not answer within three minutes after that
 */
export async function wake(
  runtime: LocalRuntime,
  name: string,
  owner: string,
  found: Found | undefined,
): Promise<boolean> {
  const isUp = async (now: Found | undefined) => (now?.running ?? false) && (await isReady(name));
  if (!(await wasMade(name, owner)) || (await isUp(found))) return false;
  const end = Date.now() + 180_000;
  // Tries more than once: a process killed just now still exists for a moment, and kwokctl skips it.
  while (Date.now() < end) {
    await sleep(1_000);
    await exclusively(clusterDirectory(name), () => runtime.start(name));
    for (let attempt = 0; attempt < 20; attempt++) {
      if ((await isUp(await runtime.find(name))) && (await servesCustomResources(name))) return true;
      await sleep(1_000);
    }
  }
  throw new UserError("it does not answer three minutes after it was started");
}

/**
 * Looks at the cluster of that name, if there is one.
 *
 * @throws Error when it is someone else's
 */
export async function refuseOthers(runtime: LocalRuntime, name: string, owner: string): Promise<Found | undefined> {
  const found = await runtime.find(name);
  const refused = refusal(runtime, name, found, owner);
  if (refused) throw new UserError(refused);
  return found;
}

/**
 * Records the name and the ports as this stack's.
 *
 * @throws Error when the cluster is someone else's, or a port is taken
 */
export async function claim(runtime: LocalRuntime, spec: LocalSpec, owner: string): Promise<void> {
  const found = await refuseOthers(runtime, spec.name, owner);
  if (!found) {
    await refuseClaimed(spec, owner);
    await awaitPorts(spec);
  }
  // One at a time: of two stacks that start together, the second must see the ports of the first.
  await exclusively(path.join(cacheDirectory(), "claims"), async () => {
    if (!found) await refuseClaimed(spec, owner);
    await writePrivately(ownerFile(spec.name), owner);
    await writePrivately(claimedPortsFile(spec.name), JSON.stringify(spec.ports));
  });
}

/** Whether deletion may clear the name. A cluster that now belongs to someone else counts as deleted for this stack. */
export async function mayClear(runtime: LocalRuntime, name: string, owner: string): Promise<boolean> {
  const found = await runtime.find(name);
  return !found || found.owner === owner;
}

/** @throws UserError when another stack has claimed one of the ports */
async function refuseClaimed(spec: LocalSpec, owner: string): Promise<void> {
  const claimed = await claimProblem(spec, owner);
  if (claimed) throw new UserError(claimed);
}

/**
 * Waits until the ports are free: a cluster that was just cleared takes a moment to release them.
 *
 * @throws Error naming the port that is taken after ten seconds
 */
async function awaitPorts(spec: LocalSpec): Promise<void> {
  const end = Date.now() + 10_000;
  for (;;) {
    const taken = await takenProblem(spec);
    if (!taken) return;
    if (Date.now() > end) throw new UserError(taken);
    await sleep(200);
  }
}

const otherPorts = "write another mesh:portBase (or another port in mesh:ports) into Pulumi.<stack>.yaml";

/** Which program has a port, or undefined. */
async function takenProblem({ name, ports }: LocalSpec): Promise<string | undefined> {
  for (const port of ports) {
    if (!(await isPortTaken(port))) continue;
    return `port ${port}, which cluster ${name} needs, is taken by another program. Next: stop that program, or ${otherPorts}`;
  }
  return undefined;
}

/** Which stack has claimed a port, or undefined. Nothing listens there until that stack's cluster has started. */
async function claimProblem({ name, ports }: LocalSpec, owner: string): Promise<string | undefined> {
  const directories = await fs.readdir(path.dirname(clusterDirectory(name))).catch(() => []);
  for (const cluster of directories.filter((other) => other !== name)) {
    const read = (file: string) => fs.readFile(file, "utf8").catch(() => undefined);
    const [by, claimed] = [await read(ownerFile(cluster)), await read(claimedPortsFile(cluster))];
    if (by === undefined || by === owner || claimed === undefined || !(await hasClone(by))) continue;
    const port = ports.find((one) => (JSON.parse(claimed) as number[]).includes(one));
    if (port === undefined) continue;
    return (
      `port ${port}, which cluster ${name} needs, belongs to cluster ${cluster} of ${by}. Next: ${otherPorts}, ` +
      `or take that stack down. If it is down already: rm -r ${clusterDirectory(cluster)}`
    );
  }
  return undefined;
}

/** Whether the clone is still there that an owner names: "stack dev of <clone>". */
async function hasClone(owner: string): Promise<boolean> {
  const clone = / of (\/.*)$/.exec(owner)?.[1];
  return clone === undefined || exists(clone);
}

async function wasMade(name: string, owner: string): Promise<boolean> {
  if (!(await exists(ownKubeconfig(name)))) return false;
  return (await fs.readFile(ownerFile(name), "utf8")) === owner;
}
