/**
 * Changes behind a stack's back, and the one command that repairs each: docs/recovery.md, on kwok. The tests run in
 * order on one stack, by the scripts that a person types.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Api } from "../lib/api";
import { eventually } from "../lib/eventually";
import { readableSecrets } from "../lib/secrets";
import { type Outcome, succeeded, TestStack } from "../lib/stack";

const execute = promisify(execFile);

let stack: TestStack;
/** Output of all scripts so far. */
const said: string[] = [];

before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok" });
  await script("start", stack.name);
});
after(async () => {
  await stack.end();
});

async function script(...words: string[]): Promise<string> {
  return heard(await stack.script(...words)).output;
}

/** Keeps the output, and fails the test if the script failed. */
function heard<T extends Pick<Outcome, "ok" | "output">>(outcome: T): T {
  said.push(outcome.output);
  return succeeded(outcome);
}

const unchanged = async () => assert.deepEqual(heard(await stack.up()).changes, []);
const outside = (cluster: string) => `${stack.name}-${cluster}`;
const kwokctl = (cluster: string, ...words: string[]) => {
  const env = { ...process.env, HOME: stack.home.directory };
  return execute("kwokctl", ["--name", outside(cluster), ...words], { env });
};

async function api(cluster: string): Promise<Api> {
  const { kubeconfigs } = await stack.outputs<{ kubeconfigs: Record<string, string> }>({ showSecrets: true });
  return new Api(kubeconfigs[cluster] ?? "");
}

/** The one process of a cluster that runs this program. */
async function processOf(cluster: string, program: string): Promise<number> {
  const file = `${outside(cluster)}/bin/${program}`;
  const found = (await stack.processes()).filter(({ command }) => command.includes(file));
  assert.equal(found.length, 1, file);
  return found[0]!.pid;
}

async function kill(cluster: string, program: string): Promise<void> {
  process.kill(await processOf(cluster, program), "SIGKILL");
}

test("up from nothing claims the names first, then writes the state once", async () => {
  const [claiming, raising, ...more] = (said[0] ?? "").split("\n").filter((line) => line.startsWith("$ "));
  assert.match(claiming ?? "", /^\$ MESH_ONLY_CLAIMS=true pulumi up /);
  assert.match(raising ?? "", /^\$ PULUMI_SKIP_CHECKPOINTS=true GOGC=\d+ pulumi up /);
  assert.deepEqual(more, []);
  assert.match(said[0] ?? "", /\+ 6 created[\s\S]*\+ \d+ created\n\s+6 unchanged/);

  const again = await script("start", stack.name);
  assert.deepEqual(again.match(/^\$ .*pulumi up/gm), ["$ pulumi up"]);
  assert.match(again, /Resources:\n\s+\d+ unchanged/);

  const names = await stack.previewClaims();
  assert.equal(names.ok, false);
  // The provider of the engine's own function that reads the state.
  assert.deepEqual(names.changes.filter(({ type }) => type !== "pulumi:providers:pulumi"), []); // prettier-ignore
  assert.match(names.output, /has clusters already; .*Next: unset MESH_ONLY_CLAIMS/);
});

test("a preview starts an API server that died, says so and shows no change", async () => {
  await kill("east", "kube-apiserver");
  const { output, changes } = heard(await stack.preview());
  assert.match(
    output,
    new RegExp(`kwok cluster ${outside("east")}, which this stack made, was stopped: it is started again`),
  );
  assert.deepEqual(changes, []);
});

test("an up starts an API server that died", async () => {
  await kill("east", "kube-apiserver");
  await unchanged();
});

test("an up after etcd died starts the API server anew, which would reach the next etcd minutes later", async () => {
  const before = await processOf("east", "kube-apiserver");
  await kill("east", "etcd");
  await unchanged();
  assert.notEqual(await processOf("east", "kube-apiserver"), before);
});

test("npm start repairs a state that is unreadable because a kill cut off its attributes", async () => {
  writeFileSync(join(stack.checkout, ".state/.pulumi/stacks/mesh", `${stack.name}.json.zst.attrs`), "");
  const { ok, output } = await stack.script("contexts", stack.name);
  assert.equal(ok, false);
  assert.match(output, /failed to load checkpoint: EOF/);
  await script("start", stack.name);
  await unchanged();
});

test("npm run contexts puts deleted contexts back", async () => {
  const expected = stack.contexts().sort();
  assert.equal(expected.length, 2);
  rmSync(join(stack.home.directory, ".kube/config"));
  await script("contexts", stack.name);
  assert.deepEqual(stack.contexts().sort(), expected);
  await unchanged();
});

test("a preview with refresh shows an object changed by hand, and an up with refresh restores it", async () => {
  const west = await api("west");
  const statefulSet = "/apis/apps/v1/namespaces/default/statefulsets/nginx-set";
  const service = "/api/v1/namespaces/default/services/nginx-svc";
  const patched = await west.ask("PATCH", statefulSet, { spec: { replicas: 1 } });
  assert.equal(patched.status, 200);
  assert.equal((await west.ask("DELETE", service)).status, 200);

  const changed = ({ changes }: Outcome) => changes.filter(({ op }) => op === "update" || op === "create");
  const shown = changed(heard(await stack.preview("--refresh")));
  assert.deepEqual(shown.map(({ op, name }) => `${op} ${name.split(":").at(-1)}`).sort(), [
    "create default/nginx-svc",
    "update default/nginx-set",
  ]);
  heard(await stack.up("--refresh"));
  const { body } = await west.get<{ spec: { replicas: number } }>(statefulSet);
  assert.equal(body.spec.replicas, 3);
  assert.equal((await west.get(service)).status, 200);
  await unchanged();
});

test("replacing its Command restores a definition that was deleted by hand and that no refresh sees", async () => {
  const west = await api("west");
  const definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/serviceprofiles.linkerd.io";
  assert.equal((await west.ask("DELETE", definition)).status, 200);
  await eventually(async () => assert.equal((await west.get(definition)).status, 404));
  await script("start", stack.name, "--replace", "**mesh-west-crds");
  assert.equal((await west.get(definition)).status, 200);
  await unchanged();
});

test("after a cluster was stopped and started, verify passes without an up", async () => {
  await kwokctl("west", "stop", "cluster");
  const { ok, output } = await stack.script("verify", stack.name);
  assert.equal(ok, false, "verify of a stopped cluster");
  assert.match(
    output,
    new RegExp(`^cluster west \\(kwok-${outside("west")}\\) does not answer: .* Next: npm start -- ${stack.name}`, "m"),
  );
  await kwokctl("west", "start", "cluster");
  await script("heal", stack.name);
  await script("verify", stack.name);
  await unchanged();
});

test("a cluster that was deleted by hand is reported, and npm run rebuild makes it anew", async () => {
  const old = (await (await api("west")).get("/api/v1/namespaces/kube-system")).body.metadata.uid;
  await kwokctl("west", "delete", "cluster", "--kubeconfig", join(stack.home.directory, "unused"));
  const refused = await stack.preview();
  assert.equal(refused.ok, false);
  const command = `npm run rebuild -- ${stack.name} west`;
  assert.match(refused.output, new RegExp(`kwok cluster ${outside("west")}, .*, is gone\\. Next: ${command}`));
  await script("rebuild", stack.name, "west");
  assert.notEqual((await (await api("west")).get("/api/v1/namespaces/kube-system")).body.metadata.uid, old);
  assert.equal(stack.contexts().length, 2);
  await script("verify", stack.name);
  await unchanged();
});

test("after all this no secret is readable where it does not belong", async () => {
  assert.deepEqual(readableSecrets(said.join("\n")), []);
  assert.deepEqual(readableSecrets(await stack.exportText()), []);
  const { stdout } = await execute("ps", ["-ww", "-eo", "args="]);
  assert.deepEqual(readableSecrets(stdout), []);
  // kwok's own secrets are in a directory of the cluster, and gone with it.
  const files = stack.filesWithSecrets().filter(({ file }) => !file.startsWith(".kwok/clusters/"));
  assert.deepEqual(files.map(({ file, mode }) => `${mode} ${file}`).sort(), [
    "600 .kube/config",
    ...["east", "west"].map((name) => `600 .local/share/linkerd-multicluster-mesh/${outside(name)}/kubeconfig`),
  ]);
});

test("a stack whose clusters are stopped can be destroyed, and nothing is left", async () => {
  await kill("east", "kube-apiserver");
  await kwokctl("west", "stop", "cluster");
  await script("stop", stack.name);
  assert.deepEqual(await stack.export(), []);
  assert.deepEqual(await stack.leftovers([]), []);
});
