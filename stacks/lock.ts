import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { say, UserError } from "../lib/run";
import { hasLogin } from "../tools/pulumiHome";
import { locksDirectory, recoverFromCrash } from "./crashRecovery";

/**
 * Runs `work` while no update of the stack can run, neither by an npm script nor by pulumi itself. It holds the engine's
 * own lock of the default backend: pkg/backend/diy/lock.go in pulumi. After a kill the next update removes the lock.
 *
 * A backend of the user's own cannot be locked from here. This is said, and the work runs.
 *
 * @param doing why the stack is locked. Example: `drill gateway`
 * @throws UserError when an update runs
 * @example await withoutUpdates("dev", "drill gateway", () => runDrill());
 */
export async function withoutUpdates<T>(stack: string, doing: string, work: () => Promise<T>): Promise<T> {
  if (hasLogin()) {
    say(`${doing}: your own Pulumi backend cannot be locked from here. Start no update of stack ${stack} meanwhile`);
    return work();
  }
  await recoverFromCrash(stack);
  const directory = locksDirectory(stack);
  const file = path.join(directory, `${randomUUID()}.json`);
  const refuseOthers = (): void => {
    const others = fs.readdirSync(directory).filter((name) => name.endsWith(".json") && name !== path.basename(file));
    if (others.length > 0) {
      throw new UserError(`${doing}: an update of stack ${stack} runs, nothing was done. Next: wait for its end`);
    }
  };
  fs.mkdirSync(directory, { recursive: true });
  refuseOthers();
  const content = {
    pid: process.pid,
    username: os.userInfo().username,
    hostname: os.hostname(),
    timestamp: new Date(),
  };
  fs.writeFileSync(file, JSON.stringify(content));
  try {
    // An engine that looked at the same moment finds this lock now, or this finds the engine's.
    refuseOthers();
    return await work();
  } finally {
    fs.rmSync(file, { force: true });
  }
}
