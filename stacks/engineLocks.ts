import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { stateDirectory } from "../lib/paths";
import { hasLogin } from "../tools/pulumiHome";
import { project } from "./stackFile";

/** A lock of a stack, in the engine's format: pkg/backend/diy/lock.go in pulumi. */
export interface Lock {
  pid: number;
  username: string;
  hostname: string;
  /** Example: `2026-11-28T14:43:12.5Z` */
  timestamp: string;
  /** What holds it. The engine's own locks do not say. Example: `npm start -- dev` */
  command?: string;
}

/** A lock with the file that it is in. */
export interface LockFile extends Lock {
  file: string;
}

/** Where the engine keeps the locks of a stack in the default backend. */
export function locksDirectory(stack: string, backend = stateDirectory): string {
  return path.join(backend, ".pulumi/locks/organization", project, stack);
}

/** The engine's locks of a stack. None where the backend is not a directory of this machine: the engine reports those. */
export function locksOf(stack: string): LockFile[] {
  const backend = hasLogin() ? backendOfUser() : stateDirectory;
  if (!backend) return [];
  const directory = locksDirectory(stack, backend);
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => {
      const file = path.join(directory, name);
      const lock = readLock(file);
      return lock ? [{ ...lock, file }] : [];
    });
}

/** Undefined if the file is not there, or is incomplete: its holder is still writing it, or the power failed meanwhile. */
export function readLock(file: string): Lock | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as Lock;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function backendOfUser(): string | undefined {
  const { PULUMI_BACKEND_URL: url = "" } = process.env;
  if (!url.startsWith("file:///")) return undefined;
  const plain = new URL(url);
  plain.search = "";
  return fileURLToPath(plain);
}

/** Whether the holder of a lock has ended. Of another machine's nobody knows: it counts as running. */
export function hasEnded({ pid, hostname }: Lock): boolean {
  if (hostname !== os.hostname()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM: it runs, and belongs to another user.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
