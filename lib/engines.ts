import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { dataDirectory } from "./paths";
import { isPortTaken } from "./ports";
import { endProcess, ownProcesses } from "./processes";

/** An engine. Each process that records one has its own file. */
interface EngineRecord {
  /** Its owner. Example: `stack dev of /home/alice/mesh` */
  owner: string;
  /** The address it listens on. Its plugins have it as their last argument. Example: `127.0.0.1:40123` */
  address: string;
  host: string;
  /** When it was recorded, milliseconds since 1970. */
  started: number;
}

/** The engine starts its first plugins a moment before it is recorded. */
const earlierMilliseconds = 60_000;

const directory = () => path.join(dataDirectory(), "engines");

/**
 * Records the engine that runs this Pulumi program. If it is killed, its plugins can then be told from those of other
 * projects. The next call of `endOrphanedPlugins` removes the record. The program cannot remove it when it ends: its SDK
 * also ends it with 0 when the engine is killed.
 */
export function recordEngine(owner: string): void {
  const at = process.argv.indexOf("--engine");
  const address = process.argv[at + 1];
  if (at < 0 || address === undefined) return;
  record(owner, address);
}

/**
 * Records the engine whose plugin started this process, because `pulumi destroy` does not run the Pulumi program. The
 * record is removed when the process succeeds.
 */
export async function recordParentEngine(owner: string): Promise<void> {
  const all = await ownProcesses();
  for (let next = process.ppid; next > 1;) {
    const parent = all.find(({ pid }) => pid === next);
    const address = / (127\.0\.0\.1:\d+)$/.exec(parent?.command ?? "")?.[1];
    if (address) {
      const file = record(owner, address);
      process.on("exit", (code) => {
        if (code === 0) forget(file);
      });
      return;
    }
    next = parent?.parent ?? 0;
  }
}

function record(owner: string, address: string): string {
  const file = path.join(directory(), `${address.replace(":", "-")}-${process.pid}.json`);
  const content: EngineRecord = { owner, address, host: os.hostname(), started: Date.now() };
  for (let tries = 5; ; tries--) {
    try {
      fs.mkdirSync(directory(), { recursive: true, mode: 0o700 });
      fs.writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
      break;
    } catch (error) {
      // Another process removed the empty directory at this moment.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || tries === 0) throw error;
    }
  }
  return file;
}

/** Removes a record, and the directory with the last one: nothing stays behind on this machine. */
function forget(file: string): void {
  fs.rmSync(file, { force: true });
  try {
    fs.rmdirSync(directory());
  } catch (error) {
    if (!["ENOTEMPTY", "ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/**
 * Ends the plugins, language hosts and programs of this owner's killed engines. On their own they check for their
 * engine every five minutes (rpcutil.Healthcheck in pulumi/sdk), and a kubernetes provider waits for pending
 * operations.
 *
 * Ends only processes that name the address of an engine recorded here and started after it.
 */
export async function endOrphanedPlugins(owner: string): Promise<void> {
  for (const { file, record } of records()) {
    if (record.owner !== owner || record.host !== os.hostname()) continue;
    if (await isPortTaken(Number(record.address.split(":")[1]))) continue;
    for (const { pid, started, command } of await ownProcesses()) {
      const isOfEngine = `${command} `.includes(` ${record.address} `) && pid !== process.pid;
      if (isOfEngine && started > record.started - earlierMilliseconds) await endProcess(pid);
    }
    forget(file);
  }
}

function records(): { file: string; record: EngineRecord }[] {
  if (!fs.existsSync(directory())) return [];
  return fs.readdirSync(directory()).flatMap((name) => {
    const file = path.join(directory(), name);
    try {
      return [{ file, record: JSON.parse(fs.readFileSync(file, "utf8")) as EngineRecord }];
    } catch {
      // Removed meanwhile, or truncated when its program was killed. A truncated record names no engine.
      return [];
    }
  });
}
