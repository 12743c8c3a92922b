// Private keys of the tls stand-in, in all output forms of tls.PrivateKey: PEM (RSA: PKCS#1, ECDSA: SEC 1), PKCS#8,
// OpenSSH, and the public key's PEM, authorized-keys line and fingerprints.
import { type KeyObject, createHash, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";

export type Algorithm = "RSA" | "ECDSA" | "ED25519";
export const ALGORITHMS: readonly string[] = ["RSA", "ECDSA", "ED25519"] satisfies Algorithm[];
/** Names of curves: the provider's, and OpenSSL's. */
export const CURVES: Record<string, string> = {
  P224: "secp224r1",
  P256: "prime256v1",
  P384: "secp384r1",
  P521: "secp521r1",
};

export function generateKey(algorithm: Algorithm, rsaBits: number, ecdsaCurve: string): KeyObject {
  if (algorithm === "RSA") return generateKeyPairSync("rsa", { modulusLength: rsaBits }).privateKey;
  if (algorithm === "ED25519") return generateKeyPairSync("ed25519").privateKey;
  return generateKeyPairSync("ec", { namedCurve: CURVES[ecdsaCurve] ?? ecdsaCurve }).privateKey;
}

export const publicKeyDer = (key: KeyObject) => createPublicKey(key).export({ type: "spki", format: "der" });

export const pem = (label: string, content: Buffer) =>
  [
    `-----BEGIN ${label}-----`,
    ...(content.toString("base64").match(/.{1,64}/g) ?? []),
    `-----END ${label}-----`,
    "",
  ].join("\n");

/** All outputs of tls.PrivateKey for a key. */
export function keyOutputs(key: KeyObject, algorithm: Algorithm): Record<string, string> {
  const form = ({ RSA: "pkcs1", ECDSA: "sec1", ED25519: "pkcs8" } as const)[algorithm];
  return {
    privateKeyPem: key.export({ type: form, format: "pem" }).toString(),
    privateKeyPemPkcs8: key.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKeyPem: pem("PUBLIC KEY", publicKeyDer(key)),
    ...openSshOutputs(key),
  };
}

const word = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const field = (content: Buffer | string) => Buffer.concat([word(Buffer.byteLength(content)), Buffer.from(content)]);
/** A big integer: no leading zeros, except one if the first bit would make it negative (RFC 4251, 5). */
const mpint = (content: Buffer) => {
  const short = content.subarray(content.findIndex((byte) => byte !== 0));
  return field((short[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), short]) : short);
};

/** The parts of a key in SSH's wire format: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key */
function sshParts(key: KeyObject): { name: string; publicBlob: Buffer; privatePart: Buffer } {
  const jwk = key.export({ format: "jwk" });
  const part = (name: keyof typeof jwk) => Buffer.from(String(jwk[name]), "base64url");
  if (jwk.kty === "RSA") {
    const [n, e] = [mpint(part("n")), mpint(part("e"))];
    const rest = (["d", "qi", "p", "q"] as const).map((name) => mpint(part(name)));
    return { name: "ssh-rsa", publicBlob: Buffer.concat([e, n]), privatePart: Buffer.concat([n, e, ...rest]) };
  }
  if (jwk.kty === "OKP") {
    const publicBlob = field(part("x"));
    const privatePart = Buffer.concat([publicBlob, field(Buffer.concat([part("d"), part("x")]))]);
    return { name: "ssh-ed25519", publicBlob, privatePart };
  }
  const curve = `nistp${String(jwk.crv).slice(2)}`;
  const publicBlob = Buffer.concat([field(curve), field(Buffer.concat([Buffer.of(4), part("x"), part("y")]))]);
  return { name: `ecdsa-sha2-${curve}`, publicBlob, privatePart: Buffer.concat([publicBlob, mpint(part("d"))]) };
}

function openSshOutputs(key: KeyObject): Record<string, string> {
  // OpenSSH does not support P-224. The real provider leaves all four empty too.
  if (key.asymmetricKeyDetails?.namedCurve === CURVES.P224) {
    return { privateKeyOpenssh: "", publicKeyOpenssh: "", publicKeyFingerprintMd5: "", publicKeyFingerprintSha256: "" };
  }
  const { name, publicBlob, privatePart } = sshParts(key);
  const blob = Buffer.concat([field(name), publicBlob]);
  const check = randomBytes(4);
  const unpadded = Buffer.concat([check, check, field(name), privatePart, field("")]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (unpadded.length % 8)) % 8));
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    ...["none", "none", ""].map(field),
    word(1),
    field(blob),
    field(Buffer.concat([unpadded, padding])),
  ]);
  const md5 = createHash("md5").update(blob).digest("hex");
  return {
    privateKeyOpenssh: pem("OPENSSH PRIVATE KEY", file),
    publicKeyOpenssh: `${name} ${blob.toString("base64")}\n`,
    publicKeyFingerprintMd5: (md5.match(/../g) ?? []).join(":"),
    publicKeyFingerprintSha256: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`,
  };
}
