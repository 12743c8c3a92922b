import assert from "node:assert/strict";
import { X509Certificate, createPrivateKey } from "node:crypto";

/** A Secret with a certificate and its key, as the API returns it. */
export interface TlsSecret {
  metadata: { name: string };
  data: Record<string, string>;
}

interface Reader {
  /** The program that reads the key. */
  program: string;
  /** The PEM labels that it reads. */
  reads: readonly string[];
  /** The DNS name that the certificate must carry; absent for the issuer. */
  host?: string;
}

const sec1 = "EC PRIVATE KEY";
const pkcs1 = "RSA PRIVATE KEY";
const pkcs8 = "PRIVATE KEY";
/** DecodePEMKey in linkerd2, pkg/tls/codec.go; X509KeyPair in Go's crypto/tls reads the same. */
const go = [sec1, pkcs1, pkcs8];
/** load_private_key in linkerd-kubert, kubert/src/server/tls_rustls.rs. */
const kubert = [pkcs8, pkcs1];

/**
 * Every Secret with a key that Linkerd's programs read.
 *
 * These rules stand in for the programs themselves, which do not run in simulated pods. They do not prove that a
 * program starts with the keys it has read: `npm run acceptance` shows that.
 */
export const keyReaders: Readonly<Record<string, Reader>> = {
  "linkerd-identity-issuer": { program: "the identity controller", reads: go },
  "linkerd-proxy-injector-k8s-tls": {
    program: "the proxy injector",
    reads: go,
    host: "linkerd-proxy-injector.linkerd.svc",
  },
  "linkerd-sp-validator-k8s-tls": {
    program: "the profile validator",
    reads: go,
    host: "linkerd-sp-validator.linkerd.svc",
  },
  "linkerd-policy-validator-k8s-tls": {
    program: "the policy controller",
    reads: kubert,
    host: "linkerd-policy-validator.linkerd.svc",
  },
};

/**
 * Reads a Secret as its reader does.
 *
 * @throws AssertionError if the reader would refuse the Secret. It names the Secret and the encoding
 */
export function readAsLinkerd({ metadata: { name }, data }: TlsSecret): void {
  const reader = keyReaders[name];
  assert.ok(reader, `no reader of Secret ${name} is known`);
  const [certificatePem, keyPem] = ["tls.crt", "tls.key"].map((key) =>
    Buffer.from(data[key] ?? "", "base64").toString(),
  );
  const labels = [...(keyPem ?? "").matchAll(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----/g)].map((match) => match[1] ?? "");
  assert.equal(labels.length, 1, `${name} holds ${labels.length} private keys`);
  assert.ok(reader.reads.includes(labels[0] ?? ""), `${reader.program} cannot read "${labels[0]}" in ${name}`);
  const certificate = new X509Certificate(certificatePem ?? "");
  const key = createPrivateKey(keyPem ?? "");
  // Linkerd takes ECDSA P-256 for its issuer alone: https://linkerd.io/2/tasks/generate-certificates/
  assert.equal(key.asymmetricKeyDetails?.namedCurve, "prime256v1", name);
  assert.ok(certificate.checkPrivateKey(key), `the key in ${name} belongs to another certificate`);
  assert.equal(certificate.ca, reader.host === undefined, `${name}: only the issuer is a CA`);
  if (reader.host) assert.equal(certificate.subjectAltName, `DNS:${reader.host}`, name);
}
