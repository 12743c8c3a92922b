// Certificates and requests of the tls stand-in. They have the layout of Go's crypto/x509 in the real provider: order
// and criticality of extensions, string types, key identifiers, signature algorithm by key.
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
import { ascii, bits, der, elements, integer, nothing, octets, oid, sequence, set, text, time, truth } from "./der";
import { type Algorithm, pem, publicKeyDer } from "./keys";

/** Bits of the key usage extension, RFC 5280, 4.2.1.3. */
const KEY_USAGES: Record<string, number> = {
  digital_signature: 0,
  content_commitment: 1,
  key_encipherment: 2,
  data_encipherment: 3,
  key_agreement: 4,
  cert_signing: 5,
  crl_signing: 6,
  encipher_only: 7,
  decipher_only: 8,
};
const EXTENDED_KEY_USAGES: Record<string, string> = {
  any_extended: "2.5.29.37.0",
  server_auth: "1.3.6.1.5.5.7.3.1",
  client_auth: "1.3.6.1.5.5.7.3.2",
  code_signing: "1.3.6.1.5.5.7.3.3",
  email_protection: "1.3.6.1.5.5.7.3.4",
  ipsec_end_system: "1.3.6.1.5.5.7.3.5",
  ipsec_tunnel: "1.3.6.1.5.5.7.3.6",
  ipsec_user: "1.3.6.1.5.5.7.3.7",
  timestamping: "1.3.6.1.5.5.7.3.8",
  ocsp_signing: "1.3.6.1.5.5.7.3.9",
  microsoft_server_gated_crypto: "1.3.6.1.4.1.311.10.3.3",
  netscape_server_gated_crypto: "2.16.840.1.113730.4.1",
  microsoft_commercial_code_signing: "1.3.6.1.4.1.311.2.1.22",
  microsoft_kernel_code_signing: "1.3.6.1.4.1.311.61.1.1",
};
export const ALLOWED_USES = [...Object.keys(KEY_USAGES), ...Object.keys(EXTENDED_KEY_USAGES)].sort();

const EXTENSION = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  alternativeNames: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
};
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const EMAIL_ADDRESS = "1.2.840.113549.1.9.1";

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

const attribute = (id: string, value: Buffer) => sequence(oid(id), value);

function distinguishedName(subject: Subject): Buffer {
  const parts = Object.entries(NAME_PARTS).flatMap(([name, id]) => {
    const values = [subject[name as keyof typeof NAME_PARTS] ?? []].flat().filter((value) => value !== "");
    return values.length > 0 ? [set(...values.map((value) => attribute(id, text(value))))] : [];
  });
  const email =
    subject.emailAddress === undefined ? [] : [set(attribute(EMAIL_ADDRESS, ascii(0x16, subject.emailAddress)))];
  return sequence(...parts, ...email);
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  if (!isIPv6(address)) throw new Error(`Invalid IP address: Failed to parse ${JSON.stringify(address)}`);
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (half = "") => (half ? half.split(":") : []);
  const zeros = Array<string>(8 - groups(head).length - groups(tail).length).fill("0");
  return Buffer.from(
    [...groups(head), ...zeros, ...groups(tail)].map((group) => group.padStart(4, "0")).join(""),
    "hex",
  );
}

function alternativeNames({ dnsNames = [], ipAddresses = [], uris = [] }: AlternativeNames): Buffer | undefined {
  const names = [
    ...dnsNames.map((name) => ascii(0x82, name)),
    ...ipAddresses.map((address) => der(0x87, addressBytes(address))),
    ...uris.map((uri) => ascii(0x86, uri)),
  ];
  return names.length > 0 ? sequence(...names) : undefined;
}

const extension = (id: string, value: Buffer, critical = false) =>
  sequence(oid(id), ...(critical ? [truth] : []), octets(value));

const isEmpty = (name: Buffer) => name.length === 2;

function keyUsage(allowedUses: string[]): Buffer | undefined {
  const wanted = allowedUses.flatMap((use) => KEY_USAGES[use] ?? []);
  if (wanted.length === 0) return undefined;
  const last = Math.max(...wanted);
  const bytes = Buffer.alloc(last > 7 ? 2 : 1);
  for (const bit of wanted) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return bits(bytes, 7 - (last & 7));
}

/** SHA-1 of the public key's bits. For ED25519, SHA-1 of their DER string, as in the real provider. */
function subjectKeyId(publicKey: Buffer): Buffer {
  const content =
    elements(elements(publicKey)[0]?.content ?? Buffer.alloc(0))[1]?.content.subarray(1) ?? Buffer.alloc(0);
  const ed25519 = createPublicKey({ key: publicKey, type: "spki", format: "der" }).asymmetricKeyType === "ed25519";
  return createHash("sha1")
    .update(ed25519 ? octets(content) : content)
    .digest();
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
function signature(key: KeyObject): { algorithm: Buffer; digest: string | null } {
  if (key.asymmetricKeyType === "ed25519") return { algorithm: sequence(oid("1.3.101.112")), digest: null };
  if (key.asymmetricKeyType === "rsa") {
    return { algorithm: sequence(oid("1.2.840.113549.1.1.11"), nothing), digest: "sha256" };
  }
  const curve = key.asymmetricKeyDetails?.namedCurve ?? "";
  if (curve === "secp384r1") return { algorithm: sequence(oid("1.2.840.10045.4.3.3")), digest: "sha384" };
  if (curve === "secp521r1") return { algorithm: sequence(oid("1.2.840.10045.4.3.4")), digest: "sha512" };
  return { algorithm: sequence(oid("1.2.840.10045.4.3.2")), digest: "sha256" };
}

const signed = (content: Buffer, key: KeyObject) => {
  const { algorithm, digest } = signature(key);
  return sequence(content, algorithm, bits(sign(digest, content, key)));
};

interface Signer {
  /** The issuer's name; the certificate's own when it signs itself. */
  name: Buffer;
  key: KeyObject;
  keyId: Buffer | undefined;
}

function certificate(
  subject: Buffer,
  names: Buffer | undefined,
  publicKey: Buffer,
  options: CertificateOptions,
  signer: Signer | KeyObject,
): Certificate {
  const { isCaCertificate, maxPathLength = -1 } = options;
  if (isCaCertificate && isEmpty(subject)) {
    throw new Error(
      "Invalid Certificate Subject: Must contain at least one Distinguished Name when creating Certificate Authority (CA)",
    );
  }
  if (!isCaCertificate && maxPathLength > 0) {
    throw new Error("Failed to create certificate: x509: only CAs are allowed to specify MaxPathLen");
  }
  const ownKeyId = isCaCertificate || options.setSubjectKeyId ? subjectKeyId(publicKey) : undefined;
  const issuer: Signer = "name" in signer ? signer : { name: subject, key: signer, keyId: undefined };
  if (options.setAuthorityKeyId && !ownKeyId) {
    throw new Error("Invalid Certificate Authority: Could not determine Authority Key Identifier");
  }
  const authorityKeyId = options.setAuthorityKeyId ? ownKeyId : issuer.name.equals(subject) ? undefined : issuer.keyId;
  // A length of 0 is dropped. The real provider sets Go's MaxPathLen without MaxPathLenZero, and that means "no limit".
  const constraints = [...(isCaCertificate ? [truth] : []), ...(maxPathLength > 0 ? [integer(maxPathLength)] : [])];
  const usage = keyUsage(options.allowedUses);
  const extended = options.allowedUses.flatMap((use) => EXTENDED_KEY_USAGES[use] ?? []);
  const extensions = [
    usage && extension(EXTENSION.keyUsage, usage, true),
    extended.length > 0 && extension(EXTENSION.extendedKeyUsage, sequence(...extended.map(oid))),
    extension(EXTENSION.basicConstraints, sequence(...constraints), true),
    ownKeyId && extension(EXTENSION.subjectKeyId, octets(ownKeyId)),
    authorityKeyId && extension(EXTENSION.authorityKeyId, sequence(der(0x80, authorityKeyId))),
    names && extension(EXTENSION.alternativeNames, names, isEmpty(subject)),
  ].filter((it) => Buffer.isBuffer(it));

  const serial = BigInt(`0x${randomBytes(16).toString("hex")}`);
  const start = new Date();
  const end = new Date(start.getTime() + options.validityPeriodHours * 3_600_000);
  const content = sequence(
    der(0xa0, integer(2)),
    integer(serial),
    signature(issuer.key).algorithm,
    issuer.name,
    sequence(time(start), time(end)),
    subject,
    publicKey,
    der(0xa3, sequence(...extensions)),
  );
  return {
    id: serial.toString(),
    certPem: pem("CERTIFICATE", signed(content, issuer.key)),
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
  return certificate(distinguishedName(subject), alternativeNames(names), publicKeyDer(key), options, key);
}

/** A certificate request (PKCS#10), and its id: the SHA-1 of its DER. */
export function certificateRequest(
  key: KeyObject,
  subject: Subject,
  names: AlternativeNames,
): { id: string; pem: string } {
  const alternatives = alternativeNames(names);
  const name = distinguishedName(subject);
  const wanted = alternatives && extension(EXTENSION.alternativeNames, alternatives, isEmpty(name));
  const attributes = wanted ? [sequence(oid(EXTENSION_REQUEST), set(sequence(wanted)))] : [];
  const request = signed(sequence(integer(0), name, publicKeyDer(key), der(0xa0, ...attributes)), key);
  return { id: createHash("sha1").update(request).digest("hex"), pem: pem("CERTIFICATE REQUEST", request) };
}

/** The DER inside a PEM of one kind. */
function unpem(value: string, label: string): Buffer {
  const found = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(value);
  if (!found?.[1]) throw new Error(`Failed to parse ${label.toLowerCase()} PEM: no ${label} block in it`);
  return Buffer.from(found[1], "base64");
}

const inside = (content: Buffer | undefined) =>
  elements(elements(content ?? Buffer.alloc(0))[0]?.content ?? Buffer.alloc(0));

/** The value of an extension in a SEQUENCE OF extensions. */
function extensionValue(extensions: Buffer | undefined, id: string): Buffer | undefined {
  const found = inside(extensions).find((it) => elements(it.content)[0]?.whole.equals(oid(id)));
  return found && elements(found.content).at(-1)?.content;
}

function parseRequest(requestPem: string): { subject: Buffer; names: Buffer | undefined; publicKey: Buffer } {
  const [info] = inside(unpem(requestPem, "CERTIFICATE REQUEST"));
  const [, name, publicKey, attributes] = elements(info?.content ?? Buffer.alloc(0));
  if (!name || !publicKey) throw new Error("Failed to parse certificate request PEM: it is cut short");
  const wanted = elements(attributes?.content ?? Buffer.alloc(0)).find((it) =>
    elements(it.content)[0]?.whole.equals(oid(EXTENSION_REQUEST)),
  );
  const extensions = wanted && elements(wanted.content)[1]?.content;
  // Go rebuilds the name from the parts it knows, so an e-mail address in a request does not reach the certificate.
  const carried = elements(name.content).filter((part) => !inside(part.content)[0]?.whole.equals(oid(EMAIL_ADDRESS)));
  return {
    subject: sequence(...carried.map((part) => part.whole)),
    names: extensionValue(extensions, EXTENSION.alternativeNames),
    publicKey: publicKey.whole,
  };
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
  const parts = elements(inside(raw)[0]?.content ?? Buffer.alloc(0));
  const extensions = parts.find((it) => it.tag === 0xa3)?.content;
  const keyId = extensionValue(extensions, EXTENSION.subjectKeyId);
  const signer = {
    name: parts[5]?.whole ?? Buffer.alloc(0),
    key: caKey,
    keyId: keyId && elements(keyId)[0]?.content,
  };
  return { ...certificate(request.subject, request.names, request.publicKey, options, signer), isCa: ca.ca };
}
