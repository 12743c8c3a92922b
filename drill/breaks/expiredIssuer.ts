import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";

/** Marks the drill's own certificate, so that it is never taken for another. */
export const commonName = "expired by npm run drill";

const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
const commonNameId = "2.5.4.3";
const day = 86_400_000;

/**
 * An issuer that expired yesterday, as PEM: ECDSA P-256, a CA, key in PKCS#8, like Linkerd's own. It signs itself, because
 * the trust anchor's key is in the stack's state only.
 *
 * @example const { certificate, key } = expiredIssuer();
 */
export function expiredIssuer(now = Date.now()): { certificate: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = new x509.AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const value = new x509.AttributeValue({ utf8String: commonName });
  const name = new x509.Name([
    new x509.RelativeDistinguishedName([new x509.AttributeTypeAndValue({ type: commonNameId, value })]),
  ]);
  const extension = (extnID: string, of: object) =>
    new x509.Extension({ extnID, critical: true, extnValue: new OctetString(AsnConvert.serialize(of)) });
  const serial = randomBytes(16);
  // A serial number is positive, and its first byte is not 0.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: new Uint8Array(serial).buffer,
    signature: algorithm,
    issuer: name,
    validity: new x509.Validity({ notBefore: wholeSecond(now - 2 * day), notAfter: wholeSecond(now - day) }),
    subject: name,
    subjectPublicKeyInfo: AsnConvert.parse(
      publicKey.export({ type: "spki", format: "der" }),
      x509.SubjectPublicKeyInfo,
    ),
    extensions: new x509.Extensions([
      extension(x509.id_ce_basicConstraints, new x509.BasicConstraints({ cA: true })),
      extension(x509.id_ce_keyUsage, new x509.KeyUsage(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign)),
    ]),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), privateKey);
  const signatureValue = new Uint8Array(signature).buffer;
  const certificate = new x509.Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue });
  return {
    certificate: pem("CERTIFICATE", Buffer.from(AsnConvert.serialize(certificate))),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** RFC 5280, 4.1.2.5.1 forbids fractions of a second. */
const wholeSecond = (at: number) => new Date(Math.floor(at / 1000) * 1000);

function pem(label: string, content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
