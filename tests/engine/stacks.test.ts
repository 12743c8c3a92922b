/** Three stacks side by side on one machine: three developers on one host, or one with three stacks. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { stringify, parse } from "yaml";
import { Api } from "../lib/api";
import { createHome, type Home, succeeded, TestStack } from "../lib/stack";

const names = ["alice", "bob", "carol"];
let home: Home;
const stacks: TestStack[] = [];

before(async () => {
  home = createHome();
  for (const name of names) stacks.push(await TestStack.create({ "mesh:runtime": "kwok" }, { name, home }));
});
after(async () => {
  try {
    for (const stack of stacks) await stack.end();
  } finally {
    home.remove();
  }
});

async function script(stack: TestStack, ...words: string[]): Promise<string> {
  return succeeded(await stack.script(...words)).output;
}

const contexts = (name: string) => [`kwok-${name}-east`, `kwok-${name}-west`];

/** The identity of the cluster that a context of the user's kubeconfig leads to. */
async function clusterOf(context: string): Promise<string | undefined> {
  type Entries = { name: string }[];
  const config = parse(fs.readFileSync(path.join(home.directory, ".kube/config"), "utf8")) as Record<string, Entries>;
  const only = (list: string) => (config[list] ?? []).filter(({ name }) => name === context);
  const one = { clusters: only("clusters"), users: only("users"), contexts: only("contexts") };
  return (await new Api(stringify(one)).get("/api/v1/namespaces/kube-system")).body.metadata.uid;
}

test("three come up at the same time, each with contexts and clusters of its own", async () => {
  await Promise.all(stacks.map((stack) => script(stack, "start", stack.name)));
  const all = names.flatMap(contexts);
  assert.deepEqual(stacks[0]?.contexts().sort(), all);
  const clusters = await Promise.all(all.map(clusterOf));
  assert.equal(new Set(clusters).size, 6);
});

test("each is verified against its own contexts", async () => {
  for (const stack of stacks) {
    const report = path.join(stack.checkout, "report.json");
    await script(stack, "verify", stack.name, "--json", report);
    const { kubeconfigs } = await stack.outputs<{ kubeconfigs: Record<string, string> }>({ showSecrets: true });
    for (const [i, cluster] of ["east", "west"].entries()) {
      const own = await new Api(kubeconfigs[cluster] ?? "").get("/api/v1/namespaces/kube-system");
      assert.equal(own.body.metadata.uid, await clusterOf(contexts(stack.name)[i] ?? ""));
    }
    assert.match(fs.readFileSync(report, "utf8"), /"yes"/);
  }
});

test("one is taken down, and the other two do not change", async () => {
  const [alice, ...others] = stacks as [TestStack, ...TestStack[]];
  const before = await Promise.all(others.flatMap(({ name }) => contexts(name)).map(clusterOf));
  await script(alice, "stop", alice.name);
  assert.deepEqual(await alice.export(), []);
  assert.deepEqual(
    alice.contexts().sort(),
    others.flatMap(({ name }) => contexts(name)),
  );
  for (const stack of others) {
    assert.deepEqual(succeeded(await stack.up()).changes, []);
  }
  assert.deepEqual(await Promise.all(others.flatMap(({ name }) => contexts(name)).map(clusterOf)), before);
});
