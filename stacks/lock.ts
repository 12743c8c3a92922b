import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { say, UserError } from "../lib/run";
import { hasLogin } from "../tools/pulumiHome";
import { recoverFromCrash } from "./crashRecovery";
import { locksDirectory } from "./engineLocks";
import { exclusiveUpdate, newLock, othersUpdate } from "./exclusiveUpdate";

/**
 * Runs `work` while no update of the stack can run, neither by an npm script nor by pulumi itself. It holds the engine's
 * own lock of the default backend: pkg/backend/diy/lock.go in pulumi. After a kill the next update removes the lock.
 *
 * A backend of the user's own cannot be locked from here. This is said, and the work runs.
 *
 * @param command what locks the stack. Example: `npm run drill -- gateway dev`
 * @throws UserError when an update runs
 * @example await withoutUpdates("dev", "npm run drill -- gateway dev", () => runDrill());
 */
export function withoutUpdates<T>(stack: string, command: string, work: () => Promise<T>): Promise<T> {
  return exclusiveUpdate(stack, command, async () => {
    if (hasLogin()) {
      say(`Your own Pulumi backend cannot be locked from here. Start no update of stack ${stack} meanwhile`);
      return work();
    }
    await recoverFromCrash(stack);
    const file = path.join(locksDirectory(stack), `${randomUUID()}.json`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ ...newLock(), command }));
    try {
      // An engine that looked at the same moment finds this lock now, or this finds the engine's.
      const refused = othersUpdate(stack, command);
      if (refused) throw new UserError(refused);
      return await work();
    } finally {
      fs.rmSync(file, { force: true });
    }
  });
}
