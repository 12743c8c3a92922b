import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { writePrivately } from "../lib/files";
import { exclusively } from "../lib/locks";
import { stateDirectory } from "../lib/paths";
import { UserError } from "../lib/run";
import { hasEnded, locksOf, type Lock } from "./engineLocks";

/** The stacks that this process holds. */
const held = new Set<string>();

const fileOf = (stack: string): string => path.join(stateDirectory, "updates", `${stack}.json`);

/**
 * Runs `work` while no other command of this clone changes the stack.
 *
 * The engine's own lock is not enough. It is free between the two updates of a new stack, and of two engines that start
 * in the same moment both are refused: each finds the other's lock file (pkg/backend/diy/lock.go in pulumi).
 *
 * @param command for the message to others. Example: `npm start -- dev`
 * @throws UserError when somebody else changes the stack
 * @example await exclusiveUpdate("dev", "npm start -- dev", () => bringUp("dev", [], env));
 */
export async function exclusiveUpdate<T>(stack: string, command: string, work: () => Promise<T>): Promise<T> {
  // `npm run rebuild` and `npm run rotate` call `npm start`.
  if (held.has(stack)) return work();
  const file = fileOf(stack);
  fs.mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  await exclusively(file, async () => {
    const lock = ownLock(file);
    const refused = lock ? refusal(stack, lock, command) : othersUpdate(stack, command);
    if (refused) throw new UserError(refused);
    await writePrivately(file, JSON.stringify({ ...newLock(), command }));
  });
  held.add(stack);
  try {
    return await work();
  } finally {
    held.delete(stack);
    fs.rmSync(file, { force: true });
  }
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
 * @example "stack dev is locked: npm start -- dev of alice@laptop (process 4711) has been changing it since ..."
 */
export function refusal(stack: string, lock: Lock, command: string): string {
  const { pid, username, hostname, timestamp, command: other = "pulumi" } = lock;
  const elsewhere =
    hostname === os.hostname() ? "" : `. If process ${pid} no longer runs on ${hostname}: pulumi cancel ${stack}`;
  return (
    `stack ${stack} is locked: ${other} of ${username}@${hostname} (process ${pid}) has been changing it since ` +
    `${localTime(timestamp)}; nothing was done. Next: wait for its end, then ${command}${elsewhere}`
  );
}

/** Example: `2026-11-28 14:43:12` */
function localTime(timestamp: string): string {
  const time = new Date(timestamp);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toJSON().slice(0, 19).replace("T", " ");
}

/** The lock of another command. One that a killed command left does not count. */
function ownLock(file: string): Lock | undefined {
  if (!fs.existsSync(file)) return undefined;
  const lock = JSON.parse(fs.readFileSync(file, "utf8")) as Lock;
  return hasEnded(lock) ? undefined : lock;
}
