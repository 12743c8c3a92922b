import assert from "node:assert/strict";
import { test } from "node:test";
import { hasOtherTrustRoots } from "../../lib/trustRoots";

test("a pod has other trust anchors only if the injector said so", () => {
  const pod = (annotations?: Record<string, string>) => ({ metadata: { annotations } });
  const name = "linkerd.io/trust-root-sha256";
  assert.equal(hasOtherTrustRoots(pod({ [name]: "old" }), "present"), true);
  assert.equal(hasOtherTrustRoots(pod({ [name]: "present" }), "present"), false);
  assert.equal(hasOtherTrustRoots(pod({}), "present"), false);
  assert.equal(hasOtherTrustRoots(pod(), "present"), false);
  assert.equal(hasOtherTrustRoots({}, "present"), false);
});
