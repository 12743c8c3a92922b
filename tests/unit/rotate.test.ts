import assert from "node:assert/strict";
import { test } from "node:test";
import { anchorSteps, issuerSteps } from "../../cli/rotate";

const lists = (trustAnchors: number[]) =>
  anchorSteps({ trustAnchors, issuerGeneration: 1 }).map(({ settings }) => settings.trustAnchors);

test("an anchor is rotated by trusting both, signing with the new one, and dropping the old one", () => {
  assert.deepEqual(lists([1]), [[1, 2], [2, 1], [2]]);
  assert.deepEqual(lists([7]), [[7, 8], [8, 7], [8]]);
});

test("an interrupted rotation goes on with the step that may not have been finished", () => {
  assert.deepEqual(lists([1, 2]), [[1, 2], [2, 1], [2]]);
  assert.deepEqual(lists([2, 1]), [[2, 1], [2]]);
});

test("whatever signs is trusted before, during and after each step", () => {
  const states = [[1], ...lists([1])] as number[][];
  for (const [i, next] of states.slice(1).entries()) {
    const before = states[i] ?? [];
    // While a step runs some clusters have the lists of before and some the next ones.
    for (const signer of [before[0] ?? 0, next[0] ?? 0]) {
      assert.ok(before.includes(signer) && next.includes(signer), `${signer} from ${before.join()} to ${next.join()}`);
    }
  }
});

test("issuers are rotated by raising their generation", () => {
  assert.deepEqual(issuerSteps({ trustAnchors: [1], issuerGeneration: 4 }), [
    { what: "new issuers, and pods restarted", settings: { issuerGeneration: 5 } },
  ]);
});
