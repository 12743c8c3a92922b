import assert from "node:assert/strict";
import { test } from "node:test";
import { anchorSteps, type Generations, issuerSteps } from "../../cli/rotate";

/** The generations after each step. */
function states(before: Generations): Generations[] {
  let now = before;
  return anchorSteps(before).map(({ settings }) => (now = { ...now, ...settings }));
}
const lists = (trustAnchors: number[]) =>
  states({ trustAnchors, issuerGeneration: 1 }).map(({ trustAnchors, issuerGeneration }) => [
    trustAnchors.join(),
    issuerGeneration,
  ]);

test("an anchor is rotated by trusting both, signing with the new one, restarting, and dropping the old one", () => {
  assert.deepEqual(lists([1]), [["1,2", 1], ["2,1", 1], ["2,1", 2], ["2", 2]]); // prettier-ignore
  assert.deepEqual(lists([7]), [["7,8", 1], ["8,7", 1], ["8,7", 2], ["8", 2]]); // prettier-ignore
});

test("an interrupted rotation continues with the step that may be unfinished", () => {
  assert.deepEqual(lists([1, 2]), [["1,2", 1], ["2,1", 1], ["2,1", 2], ["2", 2]]); // prettier-ignore
  assert.deepEqual(lists([2, 1]), [["2,1", 1], ["2,1", 2], ["2", 2]]); // prettier-ignore
});

test("every signer is trusted before, during and after each step", () => {
  const before = { trustAnchors: [1], issuerGeneration: 1 };
  const anchors = [before, ...states(before)].map(({ trustAnchors }) => trustAnchors);
  for (const [i, next] of anchors.slice(1).entries()) {
    const before = anchors[i] ?? [];
    // While a step runs, some clusters have the previous lists and some the next ones.
    for (const signer of [before[0] ?? 0, next[0] ?? 0]) {
      assert.ok(before.includes(signer) && next.includes(signer), `${signer} from ${before.join()} to ${next.join()}`);
    }
  }
});

test("issuers are rotated by increasing their generation", () => {
  assert.deepEqual(issuerSteps({ trustAnchors: [1], issuerGeneration: 4 }), [
    { what: "new issuers, and pods restarted", settings: { issuerGeneration: 5 } },
  ]);
});
