/** The program shares the user's kubeconfig with kubectl, editors and other stacks: only its own contexts change. */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, beforeEach, test } from "node:test";
import { parse } from "yaml";
import { addContext, removeContext, standalone, userKubeconfig } from "../../lib/userKubeconfig";
import { UserError } from "../../lib/run";
import { oneCluster } from "../lib/kubeconfigs";
import type { Merge } from "../lib/mergeContexts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "kubeconfig-test-"));
after(() => fs.rmSync(root, { recursive: true }));
let file: string;
beforeEach(() => {
  file = path.join(fs.mkdtempSync(path.join(root, "home-")), ".kube", "config");
  process.env.KUBECONFIG = file;
});

function write(text: string, mode = 0o600): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text, { mode });
}

interface Config {
  clusters: { name: string; cluster: { server: string } }[];
  users: { name: string; user: { token?: string } }[];
  contexts: { name: string; context: { cluster: string; user: string } }[];
  "current-context"?: string;
}

const read = (from = file) => parse(fs.readFileSync(from, "utf8")) as Config;
const contexts = (from = file) => read(from).contexts.map(({ name }) => name);
const serverOf = (context: string) => read().clusters.find(({ name }) => name === context)?.cluster.server;
/** Files beside the kubeconfig: locks and partial files, if any were left. */
const debris = () => fs.readdirSync(path.dirname(file)).filter((name) => name !== "config");

const commented = `# Mine. Do not lose this line.
apiVersion: v1
kind: Config
preferences: {}
current-context: work # the one I use
clusters:
  # behind the VPN
  - name: work
    cluster:
      server: https://work.example:6443
users:
  - name: me
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: login
        args: [ "--as", 'me' ] # quoted so
        interactiveMode: Never
contexts:
  - name: work
    context: { cluster: work, user: me, namespace: shop }
`;

test("a missing kubeconfig is made with its directory, for its owner only", async () => {
  await addContext(oneCluster("k3d-east"));
  assert.deepEqual(contexts(), ["k3d-east"]);
  assert.equal(serverOf("k3d-east"), "https://127.0.0.1:6443");
  assert.equal(read().users[0]?.user.token, "token of k3d-east");
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(debris(), []);
});

test("comments, quotes, other entries and the current context stay as they were", async () => {
  write(commented);
  await addContext(oneCluster("k3d-east"));
  const text = fs.readFileSync(file, "utf8");
  assert.deepEqual(
    commented.split("\n").filter((line) => !text.includes(line)),
    [],
    text,
  );
  assert.equal(read()["current-context"], "work");
  assert.deepEqual(contexts(), ["work", "k3d-east"]);
  await removeContext("k3d-east");
  assert.equal(fs.readFileSync(file, "utf8"), commented);
});

test("a context that is there already is replaced, not doubled", async () => {
  write(commented);
  await addContext(oneCluster("k3d-east", "https://127.0.0.1:1"));
  await addContext(oneCluster("k3d-east", "https://127.0.0.1:2"));
  assert.deepEqual(contexts(), ["work", "k3d-east"]);
  assert.deepEqual([read().clusters.length, read().users.length], [2, 2]);
  assert.equal(serverOf("k3d-east"), "https://127.0.0.1:2");
});

test("removing the current context leaves no current context", async () => {
  write(commented);
  await addContext(oneCluster("k3d-east"));
  fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("current-context: work", "current-context: k3d-east"));
  await removeContext("k3d-east");
  assert.doesNotMatch(fs.readFileSync(file, "utf8"), /current-context|k3d-east/);
  assert.deepEqual(contexts(), ["work"]);
});

test("removing a missing context changes nothing", async () => {
  write(commented);
  await removeContext("k3d-east");
  assert.deepEqual(contexts(), ["work"]);
  assert.equal(read()["current-context"], "work");
});

for (const [title, text] of [
  ["an empty file", ""],
  ["the null lists that kubectl writes", "apiVersion: v1\nclusters: null\ncontexts: null\nkind: Config\nusers: null\n"],
  ["a file in JSON", JSON.stringify({ apiVersion: "v1", kind: "Config", clusters: [], contexts: [], users: [] })],
] as const) {
  test(`${title} takes a context and gives it back`, async () => {
    write(text);
    await addContext(oneCluster("k3d-east"));
    await addContext(oneCluster("k3d-west"));
    assert.deepEqual(contexts(), ["k3d-east", "k3d-west"]);
    await removeContext("k3d-east");
    await removeContext("k3d-west");
    assert.deepEqual([read().contexts, read().clusters, read().users], [[], [], []]);
  });
}

test("a symlink stays a symlink, and its target is changed", async () => {
  const target = path.join(root, "dotfiles-config");
  fs.writeFileSync(target, commented);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.symlinkSync(target, file);
  await addContext(oneCluster("k3d-east"));
  assert.ok(fs.lstatSync(file).isSymbolicLink());
  assert.deepEqual(contexts(target), ["work", "k3d-east"]);
});

test("a file that others could read is for its owner only once it contains our credentials", async () => {
  write(commented, 0o644);
  await addContext(oneCluster("k3d-east"));
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
});

test("an unparsable kubeconfig is left alone, and the error names it", async () => {
  write("clusters: [\n");
  await assert.rejects(addContext(oneCluster("k3d-east")), (error) => String(error).includes(file));
  assert.equal(fs.readFileSync(file, "utf8"), "clusters: [\n");
  assert.deepEqual(debris(), []);
});

test("the first file in $KUBECONFIG is changed, or the default one without it", () => {
  process.env.KUBECONFIG = `/a/config${path.delimiter}/b/config`;
  assert.equal(userKubeconfig(), "/a/config");
  for (const unset of [undefined, "", path.delimiter]) {
    if (unset === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = unset;
    assert.equal(userKubeconfig(), path.join(os.homedir(), ".kube", "config"));
  }
});

test("the lock of a dead process is removed", { timeout: 60_000 }, async () => {
  write(commented);
  fs.mkdirSync(`${file}.lock`);
  const longAgo = new Date(Date.now() - 60_000);
  fs.utimesSync(`${file}.lock`, longAgo, longAgo);
  await addContext(oneCluster("k3d-east"));
  assert.deepEqual(contexts(), ["work", "k3d-east"]);
  assert.deepEqual(debris(), []);
});

test("a change waits for kubectl's lock, a file of the same name", { timeout: 60_000 }, async () => {
  write(commented);
  fs.writeFileSync(`${file}.lock`, "");
  const added = addContext(oneCluster("k3d-east"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(contexts(), ["work"]);
  // kubectl's changes meanwhile must not be lost.
  fs.writeFileSync(file, commented.replace("current-context: work", "current-context: other"));
  fs.rmSync(`${file}.lock`);
  await added;
  assert.deepEqual(contexts(), ["work", "k3d-east"]);
  assert.equal(read()["current-context"], "other");
});

test("a lock file that another program left is named, with the command that removes it", async () => {
  write(commented);
  fs.writeFileSync(`${file}.lock`, "");
  const longAgo = new Date(Date.now() - 11_000);
  fs.utimesSync(`${file}.lock`, longAgo, longAgo);
  await assert.rejects(
    addContext(oneCluster("k3d-east")),
    new UserError(
      `${file}.lock is the lock of another program, such as kubectl, and is older than 10 s. ` +
        `Next: rm ${file}.lock, unless that program still runs`,
    ),
  );
  assert.equal(fs.readFileSync(file, "utf8"), commented);
  assert.deepEqual(debris(), ["config.lock"]);
});

test("a fresh lock file is reported ten seconds later", { timeout: 60_000 }, async () => {
  write(commented);
  fs.writeFileSync(`${file}.lock`, "");
  const start = Date.now();
  await assert.rejects(addContext(oneCluster("k3d-east")), /config\.lock is the lock of another program/);
  const seconds = (Date.now() - start) / 1000;
  assert.ok(seconds > 9 && seconds < 20, `${seconds} s`);
});

for (const [title, text, expected] of [
  ["a text", "hello", "is not a kubeconfig"],
  ["a list", "- a", "is not a kubeconfig"],
  ["contexts that are a map", "contexts: {work: {}}", "has contexts that are not a list"],
  ["users that are a text", "users: me", "has users that are not a list"],
] as const) {
  test(`${title} in place of a kubeconfig is left alone`, async () => {
    write(text);
    const refusal = new UserError(`your kubeconfig ${file} ${expected}. Next: repair the file`);
    await assert.rejects(addContext(oneCluster("k3d-east")), refusal);
    await assert.rejects(removeContext("k3d-east"), refusal);
    assert.equal(fs.readFileSync(file, "utf8"), text);
    assert.deepEqual(debris(), []);
  });
}

test("KUBECONFIG that is a directory, or is in a file, is refused", async () => {
  const next = /Next: make it a file that you may write, or set KUBECONFIG to another one$/;
  fs.mkdirSync(file, { recursive: true });
  const refused = (error: unknown) => {
    assert.ok(error instanceof UserError);
    assert.ok(
      error.message.startsWith(`your kubeconfig ${process.env.KUBECONFIG} cannot be changed: E`),
      error.message,
    );
    assert.match(error.message, next);
    return true;
  };
  await assert.rejects(addContext(oneCluster("k3d-east")), refused);
  fs.rmdirSync(file);
  write("");
  process.env.KUBECONFIG = path.join(file, "config");
  await assert.rejects(addContext(oneCluster("k3d-east")), refused);
});

test("a directory that may not be written is refused", { skip: process.getuid?.() === 0 }, async () => {
  write(commented);
  fs.chmodSync(path.dirname(file), 0o500);
  await assert.rejects(addContext(oneCluster("k3d-east")), /cannot be changed: EACCES: .*Next: make it a file/);
});

test("a kubeconfig on its own carries its certificates and the context's name throughout", async () => {
  const certificate = path.join(root, "ca.crt");
  fs.writeFileSync(certificate, "CA");
  const text = `clusters: [{name: a, cluster: {server: "https://x", certificate-authority: ${certificate}}}]
users: [{name: b, user: {client-key-data: S0VZ}}]
contexts: [{name: c, context: {cluster: a, user: b}}]
`;
  assert.deepEqual(JSON.parse(await standalone(text, "kwok-east")), {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "kwok-east", cluster: { server: "https://x", "certificate-authority-data": "Q0E=" } }],
    users: [{ name: "kwok-east", user: { "client-key-data": "S0VZ" } }],
    contexts: [{ name: "kwok-east", context: { cluster: "kwok-east", user: "kwok-east" } }],
    "current-context": "kwok-east",
  });
  await assert.rejects(standalone("clusters: []\nusers: []\n", "kwok-east"), /a cluster and a user is expected/);
});

test("fifty rounds of concurrent changes by processes of their own never lose one", { timeout: 180_000 }, async () => {
  write(commented);
  const worker = () => fork(path.join(__dirname, "../lib/mergeContexts.ts"), { execArgv: ["--import", "tsx"] });
  const workers = [worker(), worker(), worker()];
  const answer = async (from: ChildProcess) => ((await once(from, "message")) as [string])[0];
  const expected = new Set(["work"]);
  try {
    assert.deepEqual(await Promise.all(workers.map(answer)), ["ready", "ready", "ready"]);
    for (let round = 0; round < 50; round++) {
      const answers = workers.map((from, i) => {
        // Two add while the third removes, and the other way round.
        const add = (round + Math.floor(i / 2)) % 2 === 0;
        const merge: Merge = { context: `${i}`, add };
        if (add) expected.add(merge.context);
        else expected.delete(merge.context);
        const answered = answer(from);
        from.send(merge);
        return answered;
      });
      assert.deepEqual(await Promise.all(answers), ["done", "done", "done"]);
      assert.deepEqual(contexts().sort(), [...expected].sort(), `round ${round}`);
    }
    assert.equal(read()["current-context"], "work");
    assert.deepEqual([read().clusters.length, read().users.length], [expected.size, expected.size]);
    assert.deepEqual(debris(), []);
  } finally {
    for (const from of workers) from.kill();
  }
});
