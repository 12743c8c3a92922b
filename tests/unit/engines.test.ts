import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, beforeEach, test } from "node:test";
import { endOrphanedPlugins } from "../../lib/engines";
import { endProcess, ownProcesses } from "../../lib/processes";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-engines-"));
process.env.XDG_DATA_HOME = directory;
const records = path.join(directory, "linkerd-multicluster-mesh", "engines");
const owner = "stack dev of /home/alice/mesh";
const started: number[] = [];
const servers: net.Server[] = [];

beforeEach(() => fs.rmSync(records, { recursive: true, force: true }));
after(async () => {
  for (const server of servers) server.close();
  for (const pid of started) await endProcess(pid);
  fs.rmSync(directory, { recursive: true });
});

/** A stack's program, reduced to noting its engine. */
const program = `require("tsx/cjs"); require("./lib/engines").recordEngine(${JSON.stringify(owner)})`;

function runProgram(address: string, then: string): ChildProcess {
  return node(["-e", `${program}; ${then}`, "cmd/run", "--engine", address]);
}

/** A plugin as its engine starts it. */
function plugin(address: string): ChildProcess {
  return node(["-e", "setTimeout(() => {}, 60_000)", "pulumi-resource-test", address]);
}

function node(words: string[]): ChildProcess {
  const child = spawn(process.execPath, words, { stdio: "inherit" });
  started.push(child.pid as number);
  return child;
}

async function isRunning({ pid }: ChildProcess): Promise<boolean> {
  return (await ownProcesses()).some((one) => one.pid === pid);
}

/** @returns an address at which something listens, or listened. Example: `127.0.0.1:40001` */
async function addressOf(engine: "lives" | "was killed"): Promise<string> {
  const server = net.createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  if (engine === "lives") servers.push(server);
  else await once(server.close(), "close");
  return address;
}

async function recorded(address: string): Promise<void> {
  await once(runProgram(address, "process.exit(1)"), "exit");
  assert.equal(fs.readdirSync(records).length, 1);
}

test("plugins of a recorded engine that was killed are ended, and its record goes", async () => {
  const address = await addressOf("was killed");
  const orphan = plugin(address);
  await recorded(address);
  const ended = once(orphan, "exit");
  await endOrphanedPlugins(owner);
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  assert.equal(fs.existsSync(records), false);
});

test("plugins of an engine that lives stay", async () => {
  const address = await addressOf("lives");
  const busy = plugin(address);
  await recorded(address);
  await endOrphanedPlugins(owner);
  assert.ok(await isRunning(busy));
  assert.equal(fs.readdirSync(records).length, 1);
});

test("plugins of another project stay, even if their engine was killed", async () => {
  const [own, others] = [await addressOf("was killed"), await addressOf("was killed")];
  const foreign = plugin(others);
  await recorded(own);
  await endOrphanedPlugins(owner);
  assert.ok(await isRunning(foreign));
});

test("plugins of another stack stay", async () => {
  const address = await addressOf("was killed");
  const others = plugin(address);
  await recorded(address);
  await endOrphanedPlugins("stack alice of /home/alice/mesh");
  assert.ok(await isRunning(others));
  assert.equal(fs.readdirSync(records).length, 1);
});

test("a process that is older than the engine stays: the port had another engine before", async () => {
  const address = await addressOf("was killed");
  const older = plugin(address);
  await recorded(address);
  const [name = ""] = fs.readdirSync(records);
  const record = JSON.parse(fs.readFileSync(path.join(records, name), "utf8")) as { started: number };
  fs.writeFileSync(path.join(records, name), JSON.stringify({ ...record, started: record.started + 3_600_000 }));
  await endOrphanedPlugins(owner);
  assert.ok(await isRunning(older));
});

test("the record of a program that ended with 0 stays: its engine may have been killed", async () => {
  const [code] = (await once(runProgram(await addressOf("was killed"), "process.exit(0)"), "exit")) as [number];
  assert.equal(code, 0);
  assert.equal(fs.readdirSync(records).length, 1);
});
