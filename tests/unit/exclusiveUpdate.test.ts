/** Who may change a stack, and what the others are told. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { stateDirectory } from "../../lib/paths";
import { UserError } from "../../lib/run";
import { locksDirectory, locksOf } from "../../stacks/engineLocks";
import { exclusiveUpdate, newLock, othersUpdate, refusal } from "../../stacks/exclusiveUpdate";

const stack = `unit-${process.pid}`;
const command = `npm start -- ${stack}`;
const backend = fs.mkdtempSync(path.join(os.tmpdir(), "backend of-"));
const locks = locksDirectory(stack, backend);
const given = process.env.PULUMI_BACKEND_URL;
const ended = spawnSync("true").pid;

before(() => {
  // A user's own backend, in a directory.
  process.env.PULUMI_BACKEND_URL = `file://${backend.replace(" ", "%20")}?no_tmp_dir=true`;
  fs.mkdirSync(locks, { recursive: true });
});
after(() => {
  if (given === undefined) delete process.env.PULUMI_BACKEND_URL;
  else process.env.PULUMI_BACKEND_URL = given;
  fs.rmSync(backend, { recursive: true });
});

/** Writes a lock as the engine does, for the time of `work`. */
async function locked(lock: object, work: () => unknown): Promise<void> {
  const file = path.join(locks, "0d0c.json");
  fs.writeFileSync(file, JSON.stringify({ ...newLock(), ...lock }));
  await work();
  fs.rmSync(file);
}

test("a refusal names the holder, since when, and the next command", () => {
  const lock = { pid: 4711, username: "alice", hostname: os.hostname(), timestamp: "2026-11-28T14:43:12.123456789Z" };
  const time = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/;
  const told = refusal("dev", { ...lock, command: "npm stop -- dev" }, "npm start -- dev --refresh");
  assert.match(told, time);
  assert.equal(
    told.replace(time, "<time>"),
    `stack dev is locked: npm stop -- dev of alice@${os.hostname()} (process 4711) has been changing it since <time>; ` +
      "nothing was done. Next: wait for its end, then npm start -- dev --refresh",
  );
  // The engine's own lock does not say what holds it, and stays after a kill.
  assert.match(
    refusal("dev", { ...lock, hostname: "elsewhere" }, "npm stop -- dev"),
    /locked: pulumi of alice@elsewhere .* then npm stop -- dev\. If process 4711 on elsewhere is no longer pulumi: eval .*, pulumi cancel dev$/,
  );
  assert.match(
    refusal("dev", undefined, "npm stop -- dev"),
    /locked by another command; nothing was done\. Next: wait/,
  );
});

test("of five commands at once one works, and four are refused", async () => {
  let working = 0;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 5 }, () =>
      exclusiveUpdate(stack, command, async () => {
        working++;
        await new Promise((resolve) => setTimeout(resolve, 1500));
      }),
    ),
  );
  assert.equal(working, 1);
  const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
  assert.equal(refused.length, 4);
  for (const error of refused) assert.ok(error instanceof UserError && error.message.includes(`locked: ${command} of`));
});

test("a command may call another one, and leaves nothing behind", async () => {
  const nested = exclusiveUpdate(stack, "npm run rebuild", () =>
    exclusiveUpdate(stack, command, () => Promise.resolve(7)),
  );
  assert.equal(await nested, 7);
  await assert.rejects(
    exclusiveUpdate(stack, command, () => Promise.reject(new Error("failed"))),
    /^Error: failed$/,
  );
  assert.deepEqual(
    fs.readdirSync(path.join(stateDirectory, "updates")).filter((name) => name.startsWith(stack)),
    [],
  );
});

test("the lock of a killed command does not count", async () => {
  const file = path.join(stateDirectory, "updates", `${stack}.json`);
  const lockOf = (content: string) => {
    fs.mkdirSync(`${file}.lock`);
    fs.writeFileSync(file, content);
  };
  lockOf(JSON.stringify({ ...newLock(), pid: ended, command }));
  assert.equal(await exclusiveUpdate(stack, command, () => Promise.resolve(7)), 7);

  // Its process number is in use again, its machine has another name, or a power loss left an empty file.
  for (const content of [{ pid: process.ppid }, { pid: ended, hostname: "elsewhere" }, undefined]) {
    lockOf(content ? JSON.stringify({ ...newLock(), ...content, command }) : "");
    await assert.rejects(
      exclusiveUpdate(stack, command, () => Promise.resolve(7)),
      /is locked/,
    );
    const old = Date.now() / 1000 - 60;
    fs.utimesSync(`${file}.lock`, old, old);
    assert.equal(await exclusiveUpdate(stack, command, () => Promise.resolve(7)), 7);
  }
});

test("the engine's locks count, in a backend of the user's own too", async () => {
  await locked({ pid: process.ppid }, async () => {
    await assert.rejects(
      exclusiveUpdate(stack, command, () => Promise.resolve(7)),
      /is locked: pulumi of \S+ \(process \d+\) has been/,
    );
  });
  await locked({ pid: ended }, () => assert.equal(othersUpdate(stack, command), undefined));
  await locked({ pid: ended, hostname: "elsewhere" }, () => assert.match(othersUpdate(stack, command) ?? "", /cancel/));
  // Of a drill of this process.
  await locked({}, () => assert.equal(othersUpdate(stack, command), undefined));
});

test("a lock that is being written, and a backend elsewhere, are left to the engine", () => {
  fs.writeFileSync(path.join(locks, "half.json"), '{"pid":');
  assert.deepEqual(locksOf(stack), []);
  process.env.PULUMI_BACKEND_URL = "s3://bucket";
  assert.deepEqual(locksOf(stack), []);
});
