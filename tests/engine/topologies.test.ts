/**
 * One stack grows from one cluster to eight, and shrinks. Each update changes the links of the clusters that come and go,
 * and nothing else.
 *
 * Real engine, kubernetes provider and API servers on kwok. Charts, tls and command provider are the stand-ins of offline/
 * where the real ones cannot be had. Simulated pods leave the traffic unproved.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { type Step, succeeded, TestStack } from "../lib/stack";

let stack: TestStack;
before(async () => {
  const settings = { "mesh:network": "flat", "mesh:links": { hub: "east" }, "mesh:manifests": "topology" };
  stack = await TestStack.create({ "mesh:runtime": "kwok", ...settings });
  // No folder for the clusters that come and go: one without its cluster is refused.
  fs.cpSync(path.join(stack.checkout, "manifests/east"), path.join(stack.checkout, "topology/east"), {
    recursive: true,
  });
});
after(() => stack.end());

async function grow(clusters: string[]): Promise<Step[]> {
  stack.configure({ "mesh:clusters": clusters });
  return succeeded(await stack.upInOneWrite()).changes;
}

const links = async () =>
  (await stack.outputs<{ links: { source: string; target: string }[] }>()).links
    .map(({ source, target }) => `${source}->${target}`)
    .sort();

/** The steps that touch neither one of these clusters nor a link to or from one. */
function others(steps: Step[], clusters: string[]): string[] {
  const own = new RegExp(`-(${clusters.join("|")})\\b`);
  return steps.filter(({ name }) => !own.test(name)).map(({ op, name }) => `${op} ${name}`);
}

test("one cluster has no links", async () => {
  const made = await grow(["east"]);
  assert.ok(made.every(({ op }) => op === "create"));
  assert.deepEqual(await links(), []);
});

test("a second and a third cluster are only added", async () => {
  for (const clusters of [
    ["east", "west"],
    ["east", "west", "north"],
  ]) {
    const made = await grow(clusters);
    assert.deepEqual([...new Set(made.map(({ op }) => op))], ["create"]);
    assert.deepEqual(others(made, clusters.slice(-1)), []);
  }
  assert.deepEqual(await links(), ["east->north", "east->west", "north->east", "west->east"]);
});

test("a cluster removed from the middle takes only its own links along", async () => {
  const removed = await grow(["east", "north"]);
  assert.deepEqual([...new Set(removed.map(({ op }) => op))], ["delete"]);
  assert.deepEqual(others(removed, ["west"]), []);
  assert.deepEqual(await links(), ["east->north", "north->east"]);
});

test("eight clusters, of which one takes the removed one's place", async () => {
  const more = ["c3", "c4", "c5", "c6", "c7", "c8"];
  const made = await grow(["east", "north", ...more]);
  assert.deepEqual([...new Set(made.map(({ op }) => op))], ["create"]);
  assert.deepEqual(others(made, more), []);
  assert.equal((await links()).length, 14);
});
