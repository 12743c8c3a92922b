/** The tests' rules for reading keys refuse the same keys as Linkerd's programs. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { keyReaders, readAsLinkerd } from "../lib/keyReaders";

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "key-readers-test-"));
after(() => fs.rmSync(scratch, { recursive: true }));

/** A self-signed certificate for a host, or a CA, with its key in one of the two encodings. */
function secret(name: string, encoding: "sec1" | "pkcs8") {
  const host = keyReaders[name]?.host;
  const file = (ending: string) => path.join(scratch, `${name}.${ending}`);
  const extensions = host
    ? ["-addext", `subjectAltName=DNS:${host}`, "-addext", "basicConstraints=critical,CA:FALSE"]
    : [];
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"],
    ...["-subj", "/CN=test", "-keyout", file("key"), "-out", file("crt"), ...extensions],
  ]);
  const key = createPrivateKey(fs.readFileSync(file("key"))).export({ type: encoding, format: "pem" });
  const encode = (text: string | Buffer) => Buffer.from(text).toString("base64");
  return { metadata: { name }, data: { "tls.crt": encode(fs.readFileSync(file("crt"))), "tls.key": encode(key) } };
}

for (const name of Object.keys(keyReaders)) {
  test(`${name} is read with a PKCS#8 key`, () => readAsLinkerd(secret(name, "pkcs8")));
}

test("the policy controller refuses a SEC1 key, and the Go programs read it", () => {
  assert.throws(
    () => readAsLinkerd(secret("linkerd-policy-validator-k8s-tls", "sec1")),
    /the policy controller cannot read "EC PRIVATE KEY" in linkerd-policy-validator-k8s-tls/,
  );
  readAsLinkerd(secret("linkerd-sp-validator-k8s-tls", "sec1"));
});

test("a key of another certificate, and a Secret without a known reader, are refused", () => {
  const one = secret("linkerd-identity-issuer", "pkcs8");
  const other = secret("linkerd-identity-issuer", "pkcs8");
  const mixed = { ...one, data: { ...one.data, "tls.key": other.data["tls.key"] } };
  assert.throws(() => readAsLinkerd(mixed), /belongs to another certificate/);
  assert.throws(() => readAsLinkerd({ metadata: { name: "other" }, data: {} }), /no reader of Secret other is known/);
});
