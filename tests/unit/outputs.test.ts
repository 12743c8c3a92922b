import assert from "node:assert/strict";
import { mock, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { Mesh } from "../../components/mesh";
import { warnBeforeExpiry } from "../../components/outputs";

/** The warnings on a day, if the anchor ends in 2036 and an issuer in 2027. */
async function warnings(day: string): Promise<unknown[]> {
  const warn = mock.method(pulumi.log, "warn", () => Promise.resolve());
  const mesh = {
    trustAnchorExpires: pulumi.output("2036-05-01T00:00:00Z"),
    clusters: { east: { issuerExpires: pulumi.output("2027-05-01T00:00:00Z") } },
  };
  warnBeforeExpiry(mesh as unknown as Mesh, Date.parse(day));
  // Outputs pass on their values in later turns of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 20));
  warn.mock.restore();
  return warn.mock.calls.map(({ arguments: [message] }: { arguments: unknown[] }) => message);
}

test("previews warn of certificates from sixty days before their end, with the command that renews them", async () => {
  assert.deepEqual(await warnings("2027-03-01T00:00:00Z"), []);
  assert.deepEqual(await warnings("2027-03-03T00:00:00Z"), [
    "the issuer of east expires in 59 days, on 2027-05-01T00:00:00Z. Next: npm run rotate -- issuers",
  ]);
  assert.deepEqual(await warnings("2036-04-30T12:00:00Z"), [
    "the trust anchor expires in 0 days, on 2036-05-01T00:00:00Z. Next: npm run rotate -- anchor",
    "the issuer of east expired on 2027-05-01T00:00:00Z. Next: npm run rotate -- issuers",
  ]);
});
