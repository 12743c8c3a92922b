import * as fs from "node:fs/promises";
import * as net from "node:net";
import { exists, ownerFile, ownKubeconfig, writePrivately } from "./places";
import type { LocalSpec } from "./spec";

/** A cluster that stands on this machine. */
export interface Found {
  /** Who made it, undefined if no stack did. */
  owner: string | undefined;
  running: boolean;
}

/** What differs between k3d and kwok when a cluster is looked at. */
export interface LocalRuntime {
  name: "k3d" | "kwok";
  /** The cluster of that outside name, whoever made it. */
  find(outsideName: string): Promise<Found | undefined>;
  /** What to type to have a cluster go, or go on. */
  deleteCommand(outsideName: string): string;
  startCommand(outsideName: string): string;
}

/** Why this cluster is not touched: it is someone else's. */
function refusal(runtime: LocalRuntime, name: string, found: Found | undefined, owner: string) {
  if (!found || found.owner === owner) return undefined;
  return (
    `${runtime.name} cluster ${name} belongs to ${found.owner ?? "someone else (no stack made it)"}, this is ${owner}; ` +
    `it is left alone. Next: use a stack of another name (npm start -- <name>), or ${runtime.deleteCommand(name)}`
  );
}

/**
 * Why an update cannot go on with this cluster, or undefined. Asked before anything is created, in previews too.
 *
 * A cluster that this stack made and that is gone or stopped is seen here, because Pulumi cannot: Commands are never
 * read, and thousands of words about unreachable servers would follow.
 *
 * @param rebuild the command that makes the cluster anew. Example: `npm run rebuild -- dev west`
 */
export async function problem(
  runtime: LocalRuntime,
  spec: LocalSpec,
  owner: string,
  rebuild: string,
): Promise<string | undefined> {
  const found = await runtime.find(spec.name);
  const refused = refusal(runtime, spec.name, found, owner);
  if (refused) return refused;
  if (await wasMade(spec.name, owner)) {
    const what = `${runtime.name} cluster ${spec.name}, which this stack made,`;
    if (!found) return `${what} is gone. Next: ${rebuild}`;
    if (!found.running || !(await answers(await madePort(spec.name)))) {
      return `${what} does not answer. Next: ${runtime.startCommand(spec.name)}; if that does not help, ${rebuild}`;
    }
  }
  return found ? undefined : portProblem(spec);
}

/**
 * Looks at the cluster of that name, if there is one.
 *
 * @throws Error when it is someone else's
 */
export async function refuseOthers(runtime: LocalRuntime, name: string, owner: string): Promise<Found | undefined> {
  const found = await runtime.find(name);
  const refused = refusal(runtime, name, found, owner);
  if (refused) throw new Error(refused);
  return found;
}

/**
 * Makes the name known as this stack's.
 *
 * @throws Error when the cluster is someone else's, or a port is taken
 */
export async function claim(runtime: LocalRuntime, spec: LocalSpec, owner: string): Promise<void> {
  if (!(await refuseOthers(runtime, spec.name, owner))) await awaitPorts(spec);
  await writePrivately(ownerFile(spec.name), owner);
}

/** Whether deleting may clear the name: a cluster that is someone else's by now is deleted as far as this stack goes. */
export async function mayClear(runtime: LocalRuntime, name: string, owner: string): Promise<boolean> {
  const found = await runtime.find(name);
  return !found || found.owner === owner;
}

/**
 * Waits until the ports can be had: those of a cluster that was just cleared take a moment.
 *
 * @throws Error naming the port that is taken after ten seconds
 */
async function awaitPorts(spec: LocalSpec): Promise<void> {
  const end = Date.now() + 10_000;
  for (;;) {
    const taken = await portProblem(spec);
    if (!taken) return;
    if (Date.now() > end) throw new Error(taken);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Why a port cannot be had, or undefined. */
async function portProblem(spec: LocalSpec): Promise<string | undefined> {
  for (const port of spec.ports) {
    if (await answers(port)) {
      return (
        `port ${port}, which cluster ${spec.name} needs, is taken by another program. ` +
        "Next: pulumi config set portBase <another>, or end that program"
      );
    }
  }
  return undefined;
}

async function wasMade(name: string, owner: string): Promise<boolean> {
  if (!(await exists(ownKubeconfig(name)))) return false;
  return (await fs.readFile(ownerFile(name), "utf8")) === owner;
}

/** The API server's port of the cluster that stands; the settings may ask for another by now. */
async function madePort(name: string): Promise<number> {
  const config = JSON.parse(await fs.readFile(ownKubeconfig(name), "utf8")) as {
    clusters: { cluster: { server: string } }[];
  };
  return Number(new URL(config.clusters[0]?.cluster.server ?? "").port);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => settle(false));
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
