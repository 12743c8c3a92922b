import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { endOrphanedPlugins } from "../../lib/orphanedPlugins";
import { root } from "../../lib/paths";
import { endProcess, ownProcesses } from "../../lib/processes";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-engine-"));
/** Named as the engine is, and starts what it is told. */
const engineProgram = path.join(directory, "pulumi");
const startPlugin = `
  const plugin = require("node:child_process").spawn(process.execPath, JSON.parse(process.env.PLUGIN), { stdio: "ignore" });
  console.log(plugin.pid);
`;
const started: number[] = [];
const listening = net.createServer();
let answering: string;
let silent: string;

before(async () => {
  fs.symlinkSync(process.execPath, engineProgram);
  answering = await listen(listening);
  const gone = net.createServer();
  silent = await listen(gone);
  await once(gone.close(), "close");
});
after(async () => {
  listening.close();
  for (const pid of started) await endProcess(pid);
  fs.rmSync(directory, { recursive: true });
});

test("a plugin whose engine does not answer is ended", async () => {
  const plugin = spawned(process.execPath, pluginWords(silent));
  const ended = once(plugin, "exit");
  await endOrphanedPlugins();
  assert.deepEqual(await ended, [null, "SIGKILL"]);
});

test("a plugin of another project stays", async () => {
  const plugin = spawned(process.execPath, pluginWords(silent), {}, directory);
  await endOrphanedPlugins();
  assert.ok(await isRunning(plugin.pid));
});

test("a plugin whose engine answers stays", async () => {
  const plugin = spawned(process.execPath, pluginWords(answering));
  await endOrphanedPlugins();
  assert.ok(await isRunning(plugin.pid));
});

test("a plugin whose engine lives where it cannot be asked, as in a container, stays until that ends", async () => {
  const engine = spawned(engineProgram, ["-e", startPlugin], { PLUGIN: JSON.stringify(pluginWords(silent)) });
  assert.ok(engine.stdout);
  const [line] = (await once(engine.stdout, "data")) as [Buffer];
  const plugin = Number(line.toString());
  started.push(plugin);

  await endOrphanedPlugins();
  assert.ok(await isRunning(plugin), "its engine is there");

  const ended = once(engine, "exit");
  engine.kill("SIGKILL");
  await ended;
  assert.ok(await isRunning(plugin), "it does not end by itself");
  await endOrphanedPlugins();
  assert.equal(await isRunning(plugin), false);
});

function pluginWords(engine: string): string[] {
  return ["-e", "setTimeout(() => {}, 60_000)", "pulumi-resource-test", engine];
}

function spawned(program: string, words: string[], env: Record<string, string> = {}, cwd = root): ChildProcess {
  const child = spawn(program, words, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] });
  started.push(child.pid as number);
  return child;
}

/** @returns where it listens. Example: `127.0.0.1:40001` */
async function listen(server: net.Server): Promise<string> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

async function isRunning(plugin: number | undefined): Promise<boolean> {
  return (await ownProcesses()).some(({ pid }) => pid === plugin);
}
