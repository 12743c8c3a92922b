// Certificates and requests of the tls stand-in. They have the layout of Go's crypto/x509 in the real provider: order
// and criticality of extensions, string types, key identifiers, signature algorithm by key.
// @peculiar/x509 cannot be used: it signs with Web Crypto, which lacks P-224, the provider's default curve. Its ASN.1
// schemas are used without it, and node:crypto signs.
import {
  type KeyObject,
  X509Certificate,
  createHash,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  sign,
} from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import { Attributes, CertificationRequest, CertificationRequestInfo } from "@peculiar/asn1-csr";
import {
  AsnConvert,
  AsnIntegerArrayBufferConverter,
  AsnIntegerBigIntConverter,
  OctetString,
} from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";
import { type Algorithm, pem, publicKeyDer } from "./keys";
import { EXTENDED_KEY_USAGES, KEY_USAGES } from "./uses";

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const EMAIL_ADDRESS = "1.2.840.113549.1.9.1";
const ED25519 = "1.3.101.112";

/** Parts of a distinguished name, in the order Go writes them. */
const NAME_PARTS = {
  country: "2.5.4.6",
  province: "2.5.4.8",
  locality: "2.5.4.7",
  streetAddresses: "2.5.4.9",
  postalCode: "2.5.4.17",
  organization: "2.5.4.10",
  organizationalUnit: "2.5.4.11",
  commonName: "2.5.4.3",
  serialNumber: "2.5.4.5",
} as const;

export type Subject = Partial<Record<Exclude<keyof typeof NAME_PARTS, "streetAddresses"> | "emailAddress", string>> & {
  streetAddresses?: string[];
};
export interface AlternativeNames {
  dnsNames?: string[];
  ipAddresses?: string[];
  uris?: string[];
}
export interface CertificateOptions {
  allowedUses: string[];
  validityPeriodHours: number;
  isCaCertificate: boolean;
  maxPathLength?: number;
  setSubjectKeyId: boolean;
  setAuthorityKeyId?: boolean;
}
export interface Certificate {
  /** The serial number, in decimal. */
  id: string;
  certPem: string;
  validityStartTime: string;
  validityEndTime: string;
}

const der = (value: object) => Buffer.from(AsnConvert.serialize(value));

/** The library does not check that a text is ASCII. */
function ia5(text: string): string {
  if (Buffer.from(text).some((byte) => byte > 0x7f))
    throw new Error(`x509: ${JSON.stringify(text)} cannot be encoded as an IA5String`);
  return text;
}

/** Text as Go writes it: a PrintableString if that type has all its characters, else UTF-8. */
const directoryString = (text: string) =>
  /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text) ? { printableString: text } : { utf8String: text };

const attribute = (type: string, value: Partial<x509.AttributeValue>) =>
  new x509.AttributeTypeAndValue({ type, value: new x509.AttributeValue(value) });

/** One part of a name. DER requires the elements of a SET OF to be sorted, and the library does not sort them. */
function namePart(type: string, texts: string[]): x509.RelativeDistinguishedName {
  const attributes = texts.map((text) => attribute(type, directoryString(text)));
  return new x509.RelativeDistinguishedName(attributes.sort((one, other) => Buffer.compare(der(one), der(other))));
}

function distinguishedName(subject: Subject): x509.Name {
  const parts = Object.entries(NAME_PARTS).flatMap(([name, type]) => {
    const texts = [subject[name as keyof typeof NAME_PARTS] ?? []].flat().filter((text) => text !== "");
    return texts.length > 0 ? [namePart(type, texts)] : [];
  });
  if (subject.emailAddress !== undefined) {
    const email = attribute(EMAIL_ADDRESS, { ia5String: ia5(subject.emailAddress) });
    parts.push(new x509.RelativeDistinguishedName([email]));
  }
  return new x509.Name(parts);
}

/** Addresses in the forms the library reads. It does not read the one with IPv4 at the end: `::ffff:10.0.0.1` */
function ipAddress(address: string): string {
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) throw new Error(`Invalid IP address: Failed to parse ${JSON.stringify(address)}`);
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** The value of the extension for alternative names. */
function alternativeNames({ dnsNames = [], ipAddresses = [], uris = [] }: AlternativeNames): OctetString | undefined {
  const names = [
    ...dnsNames.map((name) => ({ dNSName: ia5(name) })),
    ...ipAddresses.map((address) => ({ iPAddress: ipAddress(address) })),
    ...uris.map((uri) => ({ uniformResourceIdentifier: ia5(uri) })),
  ].map((name) => new x509.GeneralName(name));
  return names.length > 0 ? new OctetString(der(new x509.SubjectAlternativeName(names))) : undefined;
}

const extension = (extnID: string, value: object, critical = false) =>
  new x509.Extension({ extnID, critical, extnValue: new OctetString(der(value)) });

/** Critical if the subject is empty: RFC 5280, 4.2.1.6. */
const namesExtension = (extnValue: OctetString, subject: x509.Name) =>
  new x509.Extension({ extnID: x509.id_ce_subjectAltName, critical: subject.length === 0, extnValue });

function usageExtensions(allowedUses: string[]): x509.Extension[] {
  const bits = allowedUses.flatMap((use) => KEY_USAGES[use] ?? []);
  const usage = new x509.KeyUsage(bits.reduce((flags, bit) => flags | (1 << bit), 0));
  const extended = allowedUses.flatMap((use) => EXTENDED_KEY_USAGES[use] ?? []);
  return [
    ...(bits.length > 0 ? [extension(x509.id_ce_keyUsage, usage, true)] : []),
    ...(extended.length > 0 ? [extension(x509.id_ce_extKeyUsage, new x509.ExtendedKeyUsage(extended))] : []),
  ];
}

function keyIdExtensions(own?: OctetString, authority?: OctetString): x509.Extension[] {
  const issuer = authority && new x509.AuthorityKeyIdentifier({ keyIdentifier: new x509.KeyIdentifier(authority) });
  return [
    ...(own ? [extension(x509.id_ce_subjectKeyIdentifier, own)] : []),
    ...(issuer ? [extension(x509.id_ce_authorityKeyIdentifier, issuer)] : []),
  ];
}

const publicKeyInfo = (key: KeyObject) => AsnConvert.parse(publicKeyDer(key), x509.SubjectPublicKeyInfo);

/** SHA-1 of the public key's bits. For ED25519, SHA-1 of their DER string, as in the real provider. */
function subjectKeyId(publicKey: x509.SubjectPublicKeyInfo): OctetString {
  // Refuses the key of a request that OpenSSL cannot read.
  const key = createPublicKey({ key: der(publicKey), type: "spki", format: "der" });
  const bits = new OctetString(publicKey.subjectPublicKey);
  const content = key.asymmetricKeyType === "ed25519" ? der(bits) : Buffer.from(bits.buffer);
  return new OctetString(createHash("sha1").update(content).digest());
}

/** Parses a key from PEM. The algorithm is named as in the provider. */
export function parsePrivateKey(keyPem: string, what: string): { key: KeyObject; algorithm: Algorithm } {
  let key: KeyObject;
  try {
    key = createPrivateKey(keyPem);
  } catch (error) {
    throw new Error(`Failed to parse ${what} PEM: ${(error as Error).message}`, { cause: error });
  }
  const algorithm = ({ rsa: "RSA", ec: "ECDSA", ed25519: "ED25519" } as const)[String(key.asymmetricKeyType)];
  if (!algorithm)
    throw new Error(`Failed to parse ${what} PEM: unsupported private key type: ${key.asymmetricKeyType}`);
  return { key, algorithm };
}

/** The signature algorithm that Go uses for a key, and its digest. */
function signatureOf(key: KeyObject): { algorithm: x509.AlgorithmIdentifier; digest: string | null } {
  // RFC 3279, 2.2.1: the parameters of RSA are NULL. All others have none.
  const by = (algorithm: string, parameters?: null) => new x509.AlgorithmIdentifier({ algorithm, parameters });
  if (key.asymmetricKeyType === "ed25519") return { algorithm: by(ED25519), digest: null };
  if (key.asymmetricKeyType === "rsa") return { algorithm: by("1.2.840.113549.1.1.11", null), digest: "sha256" };
  const curve = key.asymmetricKeyDetails?.namedCurve ?? "";
  if (curve === "secp384r1") return { algorithm: by("1.2.840.10045.4.3.3"), digest: "sha384" };
  if (curve === "secp521r1") return { algorithm: by("1.2.840.10045.4.3.4"), digest: "sha512" };
  return { algorithm: by("1.2.840.10045.4.3.2"), digest: "sha256" };
}

/** Signs the DER of a value. The schemas take signatures as ArrayBuffer, and a Buffer may be a part of a larger one. */
function signed(value: object, key: KeyObject): { signatureAlgorithm: x509.AlgorithmIdentifier; bits: ArrayBuffer } {
  const { algorithm, digest } = signatureOf(key);
  return { signatureAlgorithm: algorithm, bits: new Uint8Array(sign(digest, der(value), key)).buffer };
}

/** What a certificate certifies. */
interface Request {
  subject: x509.Name;
  /** The value of the extension for alternative names. */
  names: OctetString | undefined;
  publicKey: x509.SubjectPublicKeyInfo;
}
interface Signer {
  /** The issuer's name; the certificate's own when it signs itself. */
  name: x509.Name;
  key: KeyObject;
  keyId: OctetString | undefined;
}

function refuse({ subject }: Request, options: CertificateOptions): void {
  const { isCaCertificate, maxPathLength = -1, setSubjectKeyId, setAuthorityKeyId } = options;
  if (isCaCertificate && subject.length === 0) {
    throw new Error(
      "Invalid Certificate Subject: Must contain at least one Distinguished Name when creating Certificate Authority (CA)",
    );
  }
  if (!isCaCertificate && maxPathLength > 0) {
    throw new Error("Failed to create certificate: x509: only CAs are allowed to specify MaxPathLen");
  }
  if (setAuthorityKeyId && !isCaCertificate && !setSubjectKeyId) {
    throw new Error("Invalid Certificate Authority: Could not determine Authority Key Identifier");
  }
}

function certificateExtensions(request: Request, options: CertificateOptions, signer: Signer): x509.Extensions {
  const { subject, names, publicKey } = request;
  const { isCaCertificate, maxPathLength = -1 } = options;
  const ownKeyId = isCaCertificate || options.setSubjectKeyId ? subjectKeyId(publicKey) : undefined;
  const sameName = der(signer.name).equals(der(subject));
  const authorityKeyId = options.setAuthorityKeyId ? ownKeyId : sameName ? undefined : signer.keyId;
  // A length of 0 is dropped. The real provider sets Go's MaxPathLen without MaxPathLenZero, and that means "no limit".
  const pathLenConstraint = maxPathLength > 0 ? maxPathLength : undefined;
  return new x509.Extensions([
    ...usageExtensions(options.allowedUses),
    extension(x509.id_ce_basicConstraints, new x509.BasicConstraints({ cA: isCaCertificate, pathLenConstraint }), true),
    ...keyIdExtensions(ownKeyId, authorityKeyId),
    ...(names ? [namesExtension(names, subject)] : []),
  ]);
}

/** RFC 5280, 4.1.2.5.2 forbids fractions of a second, and the library would write them for dates after 2049. */
const wholeSecond = (date: Date) => new Date(new Date(date).setUTCMilliseconds(0));

function certificate(request: Request, options: CertificateOptions, signer: Signer): Certificate {
  refuse(request, options);
  const serial = BigInt(`0x${randomBytes(16).toString("hex")}`);
  const start = new Date();
  const end = new Date(start.getTime() + options.validityPeriodHours * 3_600_000);
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: AsnIntegerArrayBufferConverter.fromASN(AsnIntegerBigIntConverter.toASN(serial)),
    signature: signatureOf(signer.key).algorithm,
    issuer: signer.name,
    validity: new x509.Validity({ notBefore: wholeSecond(start), notAfter: wholeSecond(end) }),
    subject: request.subject,
    subjectPublicKeyInfo: request.publicKey,
    extensions: certificateExtensions(request, options, signer),
  });
  const { signatureAlgorithm, bits } = signed(tbsCertificate, signer.key);
  const content = der(new x509.Certificate({ tbsCertificate, signatureAlgorithm, signatureValue: bits }));
  return {
    id: serial.toString(),
    certPem: pem("CERTIFICATE", content),
    validityStartTime: start.toISOString(),
    validityEndTime: end.toISOString(),
  };
}

export function selfSigned(
  key: KeyObject,
  subject: Subject,
  names: AlternativeNames,
  options: CertificateOptions,
): Certificate {
  const name = distinguishedName(subject);
  const request = { subject: name, names: alternativeNames(names), publicKey: publicKeyInfo(key) };
  return certificate(request, options, { name, key, keyId: undefined });
}

/** The attribute of a request that asks for alternative names. */
function extensionRequest(names: OctetString, subject: x509.Name): x509.Attribute {
  const extensions = new x509.Extensions([namesExtension(names, subject)]);
  return new x509.Attribute({ type: EXTENSION_REQUEST, values: [AsnConvert.serialize(extensions)] });
}

/** A certificate request (PKCS#10), and its id: the SHA-1 of its DER. */
export function certificateRequest(
  key: KeyObject,
  subject: Subject,
  names: AlternativeNames,
): { id: string; pem: string } {
  const alternatives = alternativeNames(names);
  const name = distinguishedName(subject);
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: name,
    subjectPKInfo: publicKeyInfo(key),
    attributes: new Attributes(alternatives ? [extensionRequest(alternatives, name)] : []),
  });
  const { signatureAlgorithm, bits } = signed(certificationRequestInfo, key);
  const content = der(new CertificationRequest({ certificationRequestInfo, signatureAlgorithm, signature: bits }));
  return { id: createHash("sha1").update(content).digest("hex"), pem: pem("CERTIFICATE REQUEST", content) };
}

/** The DER inside a PEM of one kind. */
function unpem(value: string, label: string): Buffer {
  const found = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(value);
  if (!found?.[1]) throw new Error(`Failed to parse ${label.toLowerCase()} PEM: no ${label} block in it`);
  return Buffer.from(found[1], "base64");
}

const extensionValue = (extensions: x509.Extensions | undefined, id: string) =>
  extensions?.find(({ extnID }) => extnID === id)?.extnValue;

function requestFrom({ subject, subjectPKInfo, attributes }: CertificationRequestInfo): Request {
  const wanted = attributes.find(({ type }) => type === EXTENSION_REQUEST)?.values[0];
  const extensions = wanted && AsnConvert.parse(wanted, x509.Extensions);
  return {
    // Go rebuilds the name from the parts it knows, so an e-mail address in a request does not reach the certificate.
    subject: new x509.Name([...subject].filter(([first]) => first?.type !== EMAIL_ADDRESS)),
    names: extensionValue(extensions, x509.id_ce_subjectAltName),
    publicKey: subjectPKInfo,
  };
}

function parseRequest(requestPem: string): Request {
  const content = unpem(requestPem, "CERTIFICATE REQUEST");
  try {
    return requestFrom(AsnConvert.parse(content, CertificationRequest).certificationRequestInfo);
  } catch (error) {
    throw new Error(`Failed to parse certificate request PEM: ${(error as Error).message}`, { cause: error });
  }
}

/** Signs a request with a CA. `isCa` says whether the signing certificate is a CA certificate at all. */
export function locallySigned(
  requestPem: string,
  caCertPem: string,
  caKey: KeyObject,
  options: CertificateOptions,
): Certificate & { isCa: boolean } {
  const request = parseRequest(requestPem);
  const raw = unpem(caCertPem, "CERTIFICATE");
  const ca = new X509Certificate(raw);
  if (!ca.checkPrivateKey(caKey)) {
    throw new Error("Failed to create certificate: x509: provided PrivateKey doesn't match parent's PublicKey");
  }
  const { subject, extensions } = AsnConvert.parse(raw, x509.Certificate).tbsCertificate;
  const keyId = extensionValue(extensions, x509.id_ce_subjectKeyIdentifier);
  const signer = { name: subject, key: caKey, keyId: keyId && AsnConvert.parse(keyId, x509.SubjectKeyIdentifier) };
  return { ...certificate(request, options, signer), isCa: ca.ca };
}
