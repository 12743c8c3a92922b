import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writePrivately } from "../lib/files";
import { exclusively } from "../lib/locks";
import { stateDirectory } from "../lib/paths";
import { say, UserError } from "../lib/run";
import { hasEnded, locksOf, readLock, type Lock } from "./engineLocks";

/** The stacks that this process holds. */
const held = new Set<string>();

/** Says who holds the stack. The lock itself is `<file>.lock`. */
const fileOf = (stack: string): string => path.join(stateDirectory, "updates", `${stack}.json`);

/** How long a command that has just locked the stack may take to say who it is, milliseconds. */
const introduction = 2_000;

/**
 * Runs `work` while no other command of this clone changes the stack.
 *
 * The engine's own lock is not enough. It is free between the two updates of a new stack, and of two engines that start
 * in the same moment both are refused: each finds the other's lock file (pkg/backend/diy/lock.go in pulumi).
 *
 * The lock of a killed command is removed at once, or ten seconds later if its process number is in use again.
 *
 * @param command for the message to others. Example: `npm start -- dev`
 * @throws UserError when somebody else changes the stack
 * @example await exclusiveUpdate("dev", "npm start -- dev", () => bringUp("dev", [], env));
 */
export async function exclusiveUpdate<T>(stack: string, command: string, work: () => Promise<T>): Promise<T> {
  // `npm run rebuild` and `npm run rotate` call `npm start`.
  if (held.has(stack)) return work();
  const file = fileOf(stack);
  await removeLeft(file);
  let entered = false;
  const holding = async () => {
    entered = true;
    const refused = othersUpdate(stack, command);
    if (refused) throw new UserError(refused);
    await writePrivately(file, JSON.stringify({ ...newLock(), command }));
    held.add(stack);
    try {
      return await work();
    } finally {
      held.delete(stack);
      fs.rmSync(file, { force: true });
    }
  };
  try {
    // On a laptop that slept, the update goes on.
    const onCompromised = (error: Error) => say(`${error.message}: going on`);
    return await exclusively(file, holding, { timeout: 0, onCompromised });
  } catch (error) {
    if (entered || (error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    throw new UserError(refusal(stack, await holderOf(file), command));
  }
}

/** Removes the lock of a command that was killed, so that nobody waits until it is stale. */
async function removeLeft(file: string): Promise<void> {
  // One at a time: the second must not remove the lock that the first takes then.
  await exclusively(`${file}.left`, () => {
    const lock = readLock(file);
    if (lock && hasEnded(lock))
      for (const left of [`${file}.lock`, file]) fs.rmSync(left, { force: true, recursive: true });
    return Promise.resolve();
  });
}

async function holderOf(file: string): Promise<Lock | undefined> {
  for (const end = Date.now() + introduction; Date.now() < end; await sleep(50)) {
    const lock = readLock(file);
    if (lock) return lock;
  }
  return undefined;
}

/**
 * Who else holds the engine's lock of the stack, in the words of a refusal. Undefined if nobody does.
 *
 * @param command the command to type after that. Example: `npm start -- dev`
 */
export function othersUpdate(stack: string, command: string): string | undefined {
  const lock = locksOf(stack).find((one) => one.pid !== process.pid && !hasEnded(one));
  return lock && refusal(stack, lock, command);
}

/** A lock of this process, as the engine writes it. */
export function newLock(): Lock {
  return {
    pid: process.pid,
    username: os.userInfo().username,
    hostname: os.hostname(),
    timestamp: new Date().toJSON(),
  };
}

/**
 * Why a stack is not changed now: who changes it, since when, and what to type.
 *
 * @param lock undefined where the holder has not said who it is
 * @example "stack dev is locked: npm start -- dev of alice@laptop (process 4711) has been changing it since ..."
 */
export function refusal(stack: string, lock: Lock | undefined, command: string): string {
  if (!lock)
    return `stack ${stack} is locked by another command; nothing was done. Next: wait for its end, then ${command}`;
  const { pid, username, hostname, timestamp, command: holder } = lock;
  // The engine never removes the lock of an engine that was killed.
  const ended = `If process ${pid} on ${hostname} is no longer pulumi: eval "$(npm run -s env -- ${stack})", pulumi cancel ${stack}`;
  return (
    `stack ${stack} is locked: ${holder ?? "pulumi"} of ${username}@${hostname} (process ${pid}) has been changing it ` +
    `since ${localTime(timestamp)}; nothing was done. Next: wait for its end, then ${command}` +
    (holder === undefined ? `. ${ended}` : "")
  );
}

/** Example: `2026-11-28 14:43:12` */
function localTime(timestamp: string): string {
  const time = new Date(timestamp);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toJSON().slice(0, 19).replace("T", " ");
}
