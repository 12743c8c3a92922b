import { createPrivateKey, X509Certificate } from "node:crypto";

/**
 * Splits a PEM bundle, because Node reads one certificate at a time.
 *
 * @throws Error if a block is not a certificate
 */
export function certificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new Error(`certificate ${i + 1} of ${blocks.length} cannot be read`, { cause: error });
    }
  });
}

/** Decodes the value of one key of a Secret. */
export function decoded(data: string | undefined): string | undefined {
  return data === undefined ? undefined : Buffer.from(data, "base64").toString();
}

/** Why a certificate is not valid now, or undefined. */
export function timeFault(certificate: X509Certificate, what: string, now = Date.now()): string | undefined {
  if (Date.parse(certificate.validFrom) > now) return `${what} is valid only from ${certificate.validFrom}`;
  if (Date.parse(certificate.validTo) < now) return `${what} expired on ${certificate.validTo}`;
  return undefined;
}

/** Why proxies that trust these anchors would not trust this issuer, or undefined. */
export function issuerFault(certificate: X509Certificate, anchors: readonly X509Certificate[]): string | undefined {
  if (!certificate.ca) return "the issuer's certificate may not sign others";
  const signed = anchors.some((anchor) => certificate.checkIssued(anchor) && certificate.verify(anchor.publicKey));
  if (!signed) return `the issuer is not signed by any of the ${anchors.length} trust anchors`;
  return timeFault(certificate, "the issuer");
}

/** Labels of the PEM blocks that the Go parts of Linkerd read: linkerd2, pkg/tls/codec.go. */
export const goKeys = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/** The policy controller is written in Rust. It reads PKCS#8 and PKCS#1 only. */
export const rustKeys = ["PRIVATE KEY", "RSA PRIVATE KEY"];

/**
 * Why a program cannot use this private key with this certificate, or undefined.
 *
 * @param field of the Secret that has the key. Example: `tls.key`
 * @param readable labels of the PEM blocks that the program reads
 */
export function keyFault(
  field: string,
  pem: string | undefined,
  certificate: X509Certificate,
  readable: readonly string[] = goKeys,
): string | undefined {
  if (pem === undefined) return `${field} is missing, expected the private key of the certificate`;
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(pem)?.[1];
  const wanted = readable.map((one) => `BEGIN ${one}`).join(" or ");
  if (label === undefined) return `${field} is not a PEM block, expected ${wanted}`;
  if (!readable.includes(label))
    return `${field} is BEGIN ${label}, expected ${wanted}: the program reads nothing else`;
  try {
    const key = createPrivateKey(pem);
    return certificate.checkPrivateKey(key) ? undefined : `${field} is not the key of the certificate`;
  } catch (error) {
    return `${field} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Both ends of one webhook: the API server's configuration, and the program's certificate and key. */
export interface WebhookFiles {
  /** PEM, one per webhook of the configuration. The API server trusts them. */
  caBundles: readonly (string | undefined)[];
  certificate: string | undefined;
  key: string | undefined;
  /** The name by which the API server calls it. Example: `linkerd-sp-validator.linkerd.svc` */
  host: string;
  readable: readonly string[];
}

/** Each reason why the API server, or the program itself, refuses a webhook's certificate. */
export function webhookFaults({ caBundles, certificate: pem, key, host, readable }: WebhookFiles): string[] {
  const [certificate] = certificates(pem ?? "");
  if (!certificate) return [`tls.crt is ${pem === undefined ? "missing" : "no certificate"}, expected one for ${host}`];
  // The API server looks at the alternative names only.
  const named = certificate.checkHost(host, { subject: "never" }) !== undefined;
  return [
    ...caBundles.map((bundle) => {
      const all = certificates(bundle ?? "");
      if (all.length === 0) return "caBundle has no certificate, expected the one that signed tls.crt";
      const signer = all.find((ca) => certificate.verify(ca.publicKey));
      return signer ? timeFault(signer, "caBundle") : "caBundle did not sign the certificate in tls.crt";
    }),
    named ? undefined : `tls.crt is for ${certificate.subjectAltName ?? "no host"}, expected DNS:${host}`,
    timeFault(certificate, "tls.crt"),
    keyFault("tls.key", key, certificate, readable),
  ].filter((fault) => fault !== undefined);
}
