/** Several people at one stack, or at several stacks that want the same ports. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../lib/eventually";
import { createHome, type Home, made, TestStack } from "../lib/stack";

/** A stack of one cluster. */
async function single(name: string, settings: Record<string, unknown> = {}): Promise<TestStack> {
  const config = { "mesh:runtime": "kwok", "mesh:clusters": ["east"], ...settings };
  const stack = await TestStack.create(config, { name, home });
  fs.rmSync(path.join(stack.checkout, "manifests/west"), { recursive: true });
  return stack;
}

let home: Home;
let stack: TestStack;

before(async () => {
  home = createHome();
  stack = await single("alice");
});
after(async () => {
  try {
    await stack.end();
  } finally {
    home.remove();
  }
});

/** A refusal names who holds the stack, since when, and what to type. */
const refusal = (holder: string, next: string) =>
  new RegExp(
    `^stack alice is locked: ${holder} of \\S+@${os.hostname()} \\(process \\d+\\) has been changing it since ` +
      `\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d; nothing was done\\. Next: wait for its end, then ${next}(\\. If process \\d+ on |$)`,
    "m",
  );

test("of five npm start at once one brings the stack up, and four say who does", async () => {
  const starts = Promise.all(Array.from({ length: 5 }, () => stack.script("start", "alice")));
  await eventually(async () => assert.ok(made(await stack.export()).length > 0), 60);
  const preview = await stack.preview();
  const others = await Promise.all([
    stack.script("stop", "alice"),
    stack.script("rebuild", "alice", "east"),
    stack.script("rotate", "issuers", "alice"),
  ]);

  const outcomes = await starts;
  const refused = outcomes.filter(({ ok }) => !ok);
  assert.equal(refused.length, 4, outcomes.map(({ output }) => output.slice(-2000)).join("\n=====\n"));
  for (const { output } of refused) {
    assert.match(output, refusal("npm start -- alice", "npm start -- alice"));
    assert.doesNotMatch(output, /is not up|pulumi cancel/);
  }
  const commands = ["npm stop -- alice", "npm run rebuild -- alice east", "npm run rotate -- issuers alice"];
  for (const [i, { ok, output }] of others.entries()) {
    assert.equal(ok, false, output);
    assert.match(output, refusal("npm start -- alice", commands[i] ?? ""));
  }
  // The engine takes no lock for a preview.
  assert.ok(preview.ok, preview.output);
});

test("while pulumi, run by hand, updates the stack, npm start and npm stop say so", async () => {
  stack.configure({ "mesh:clusters": ["east", "west"] });
  const update = stack.up();
  const locks = path.join(stack.checkout, ".state/.pulumi/locks/organization/mesh/alice");
  await eventually(() => assert.ok(fs.readdirSync(locks).some((name) => name.endsWith(".json"))), 30);
  const { output: refused } = await stack.script("stop", "alice");
  assert.match(refused, refusal("pulumi", "npm stop -- alice"));
  assert.match((await stack.script("start", "alice")).output, refusal("pulumi", "npm start -- alice"));
  const { ok, output } = await update;
  assert.ok(ok, output);
});

test("a stack that wants another stack's ports is told whose they are, by a preview too", async () => {
  const bob = await single("bob", { "mesh:portBase": 21_000 });
  const carol = await single("carol", { "mesh:portBase": 21_003 });
  try {
    const outcomes = await Promise.all([bob, carol].map((each) => each.script("start", each.name)));
    const [winner, loser] = outcomes[0]?.ok ? [bob, carol] : [carol, bob];
    assert.deepEqual(outcomes.map(({ ok }) => ok).sort(), [false, true], outcomes.map(({ output }) => output).join());
    const told =
      `which cluster ${loser.name}-east needs, belongs to cluster ${winner.name}-east of stack ${winner.name} of ` +
      `${winner.checkout}. Next: write another mesh:portBase`;
    assert.ok(
      outcomes.some(({ output }) => output.includes(told)),
      outcomes.find(({ ok }) => !ok)?.output,
    );
    const preview = await loser.preview();
    assert.ok(!preview.ok && preview.output.includes(told), preview.output);
  } finally {
    for (const each of [bob, carol]) await each.end();
  }
});
