import * as fs from "node:fs/promises";
import * as path from "node:path";
import { exists, writePrivately } from "../lib/files";
import { exclusively } from "../lib/locks";
import { stateDirectory } from "../lib/paths";
import { say, UserError } from "../lib/run";
import { recoverFromCrash } from "../stacks/crashRecovery";
import { connectAll, found, reason, type ClusterClient } from "../verify/api";
import type { LinkName, Stack } from "../verify/stack";
import type { Drill, DrillId, Place } from "./drill";
import { drillOf } from "./drills";
import { clientNamespace } from "./traffic";

/** What a drill has broken. Written before the break and removed after the restoration, so a kill leaves it. */
interface Broken {
  drill: DrillId;
  link: LinkName;
  /** Of the cluster whose objects are changed. A cluster that was made anew has nothing to restore. */
  clusterUid?: string;
  state: object;
}

/** A drill renews its lock every five seconds. After ten without, its holder is dead. */
const staleMilliseconds = 12_000;

const fileOf = (stack: string): string => path.join(stateDirectory, "drills", `${stack}.json`);

/**
 * Runs `work` while no other drill or heal of the stack does.
 *
 * @throws UserError when another drill runs
 */
export async function alone<T>(stack: string, work: () => Promise<T>): Promise<T> {
  try {
    return await exclusively(fileOf(stack), work, {
      timeout: staleMilliseconds,
      onWait: () => say(`Another drill of stack ${stack} runs, or was killed: waiting ten seconds ...`),
      // On a laptop that slept. What is broken must still be restored.
      onCompromised: (error) => say(`${error.message}: going on`),
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    throw new UserError(`a drill of stack ${stack} runs; nothing was done. Next: wait for its end, or Ctrl-C it`);
  }
}

/** What a drill has broken and not restored, in words. Undefined if there is nothing. */
export async function leftBroken(stack: string): Promise<string | undefined> {
  const broken = await read(stack);
  return broken && `drill ${broken.drill} on ${broken.link.source}->${broken.link.target}`;
}

async function read(stack: string): Promise<Broken | undefined> {
  const file = fileOf(stack);
  return (await exists(file)) ? (JSON.parse(await fs.readFile(file, "utf8")) as Broken) : undefined;
}

/** Records what the drill is about to break. */
export async function record(drill: Drill, place: Place, state: object): Promise<void> {
  const { source, target, stack } = place;
  const clusterUid = drill.changes && (await uidOf(place[drill.changes]));
  const broken: Broken = { drill: drill.id, link: { source: source.name, target: target.name }, clusterUid, state };
  await writePrivately(fileOf(stack.name), JSON.stringify(broken, undefined, 2));
}

/** Forgets what was broken, because it is restored. */
export async function forget(stack: string): Promise<void> {
  await fs.rm(fileOf(stack), { force: true });
}

async function uidOf({ core }: ClusterClient): Promise<string | undefined> {
  return (await core.readNamespace({ name: "kube-system" })).metadata?.uid;
}

/**
 * Restores what a killed drill left broken. Call it in `alone`.
 *
 * @returns whether there was something
 * @throws UserError when a cluster does not answer; the record stays
 */
export async function restoreLeft(stack: Stack): Promise<boolean> {
  const broken = await read(stack.name);
  if (!broken) return false;
  const drill = drillOf(broken.drill);
  const clusters = await connectAll(stack);
  const [source, target] = [clusters[broken.link.source], clusters[broken.link.target]];
  const what = await leftBroken(stack.name);
  if (!source || !target) {
    say(`${what} was killed before it could restore. The stack no longer has these clusters: nothing to restore`);
  } else {
    const place: Place = { stack, clusters, source, target };
    try {
      if (drill.changes && (await uidOf(place[drill.changes])) !== broken.clusterUid) {
        say(`${what} was killed before it could restore. The cluster was made anew since: nothing to restore`);
      } else {
        say(`${what} was killed before it could restore: restoring now ...`);
        await drill.restore(place, broken.state);
        for (const { core } of Object.values(clusters)) await found(core.deleteNamespace({ name: clientNamespace }));
        say("Restored.");
      }
    } catch (error) {
      const next = `npm start -- ${stack.name}, which starts stopped clusters, then npm run heal -- ${stack.name}`;
      throw new UserError(`what ${what} broke is not restored: ${reason(error)}. Next: ${next}`, { cause: error });
    }
  }
  await forget(stack.name);
  await recoverFromCrash(stack.name);
  return true;
}
