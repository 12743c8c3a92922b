// Stand-in for the tls provider plugin on a network that serves language packages only: PrivateKey, CertRequest,
// SelfSignedCert and LocallySignedCert as the real provider behaves (read in terraform-provider-tls 4.2.1, older than what
// the SDK wraps): defaults, what replaces, renewal, secrets, certificates as Go's crypto/x509 writes them.
// Not served, and refused: the write-only inputs (privateKeyPemWo, caPrivateKeyPemWo), getCertificate, getPublicKey.
// Unproved by it: that the real plugin loads; that its state, upgraded from this one's, shows no difference; the real
// one's wording of errors.
import { createHash } from "node:crypto";
import { version } from "@pulumi/tls/package.json";
import {
  ALLOWED_USES,
  type CertificateOptions,
  type Subject,
  certificateRequest,
  locallySigned,
  parsePrivateKey,
  selfSigned,
} from "./certificates";
import { ALGORITHMS, type Algorithm, CURVES, generateKey, keyOutputs, publicKeyDer } from "./keys";
import { type Change, type Properties, UNKNOWN, type Value, differences, plain, secret } from "./properties";
import type { Operation, Provider, ResourceType } from "./serve";

interface Input {
  required?: true;
  /** What the resource has when the input is not given. */
  default?: Value;
  /** The reason to refuse a value, if there is one. */
  refuse?: (value: Value) => string | undefined;
}
interface Created {
  id: string;
  outputs: Properties;
}
interface Specification {
  inputs: Record<string, Input>;
  /** Outputs only creation tells; unknown in the preview of one. */
  computed: string[];
  /** Properties that are secret whatever the program says. */
  secrets: string[];
  create: (inputs: Properties, log: Operation["log"]) => Created | Promise<Created>;
}

const oneOf = (allowed: readonly string[]) => (value: Value) =>
  allowed.includes(value as string)
    ? undefined
    : `must be one of ${allowed.join(", ")}, and it is ${JSON.stringify(value)}`;
const atLeast = (least: number) => (value: Value) =>
  Number.isInteger(value) && (value as number) >= least
    ? undefined
    : `must be a whole number of at least ${least}, and it is ${JSON.stringify(value)}`;
// The real provider refuses them since 4.0.0, though the SDK's own documentation lists them in camel case.
const uses = (value: Value) => {
  if (!Array.isArray(value)) return `must be a list, and it is ${JSON.stringify(value)}`;
  return value.map((use) => (use === UNKNOWN ? undefined : oneOf(ALLOWED_USES)(use))).find((reason) => reason);
};

const NAMES = { subject: {}, dnsNames: {}, ipAddresses: {}, uris: {} };
const CERTIFICATE: Record<string, Input> = {
  allowedUses: { required: true, refuse: uses },
  validityPeriodHours: { required: true, refuse: atLeast(0) },
  earlyRenewalHours: { default: 0, refuse: atLeast(0) },
  isCaCertificate: { default: false },
  setSubjectKeyId: { default: false },
  maxPathLength: { refuse: atLeast(-1) },
};
const CERTIFICATE_OUTPUTS = ["certPem", "validityStartTime", "validityEndTime"];

const privateKey: Specification = {
  inputs: {
    algorithm: { required: true, refuse: oneOf(ALGORITHMS) },
    ecdsaCurve: { default: "P224", refuse: oneOf(Object.keys(CURVES)) },
    rsaBits: { default: 2048, refuse: atLeast(1) },
  },
  computed: ["publicKeyPem", "publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256"],
  secrets: ["privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"],
  create(inputs) {
    const { algorithm, rsaBits, ecdsaCurve } = inputs as { algorithm: Algorithm; rsaBits: number; ecdsaCurve: string };
    const key = generateKey(algorithm, rsaBits, ecdsaCurve);
    return { id: createHash("sha1").update(publicKeyDer(key)).digest("hex"), outputs: keyOutputs(key, algorithm) };
  },
};

const certRequest: Specification = {
  inputs: { privateKeyPem: { required: true }, ...NAMES },
  computed: ["certRequestPem", "keyAlgorithm"],
  secrets: ["privateKeyPem"],
  create(inputs) {
    const { privateKeyPem, subject = {} } = inputs as { privateKeyPem: string; subject?: Subject };
    const { key, algorithm } = parsePrivateKey(privateKeyPem, "private key");
    const request = certificateRequest(key, subject, inputs);
    return { id: request.id, outputs: { certRequestPem: request.pem, keyAlgorithm: algorithm } };
  },
};

const selfSignedCert: Specification = {
  inputs: { privateKeyPem: { required: true }, ...NAMES, ...CERTIFICATE, setAuthorityKeyId: { default: false } },
  computed: [...CERTIFICATE_OUTPUTS, "keyAlgorithm"],
  secrets: ["privateKeyPem"],
  create(inputs) {
    const { privateKeyPem, subject = {} } = inputs as { privateKeyPem: string; subject?: Subject };
    const { key, algorithm } = parsePrivateKey(privateKeyPem, "private key");
    const options = inputs as unknown as CertificateOptions;
    const { id, ...outputs } = selfSigned(key, subject, inputs, options);
    return { id, outputs: { ...outputs, keyAlgorithm: algorithm } };
  },
};

const locallySignedCert: Specification = {
  inputs: {
    certRequestPem: { required: true },
    caCertPem: { required: true },
    caPrivateKeyPem: { required: true },
    ...CERTIFICATE,
  },
  computed: [...CERTIFICATE_OUTPUTS, "caKeyAlgorithm"],
  secrets: ["caPrivateKeyPem"],
  async create(inputs, log) {
    const { certRequestPem, caCertPem, caPrivateKeyPem } = inputs as Record<string, string>;
    const { key, algorithm } = parsePrivateKey(caPrivateKeyPem ?? "", "CA private key");
    const options = inputs as unknown as CertificateOptions;
    const { id, isCa, ...outputs } = locallySigned(certRequestPem ?? "", caCertPem ?? "", key, options);
    if (!isCa) await log("warning", "caCertPem is not a CA's certificate: what it signs may fail verification");
    return { id, outputs: { ...outputs, caKeyAlgorithm: algorithm } };
  },
};

/** Whether a certificate has reached its end, less its early renewal hours. */
function due(state: Properties, earlyRenewalHours: Value | undefined): boolean {
  const { validityEndTime } = plain(state) as { validityEndTime?: string };
  if (validityEndTime === undefined) return false;
  return Date.parse(validityEndTime) - Number(earlyRenewalHours ?? 0) * 3_600_000 <= Date.now();
}

/** The resource type a specification describes. */
function resourceType({ inputs: expected, computed, secrets, create }: Specification): ResourceType {
  const renews = "earlyRenewalHours" in expected;
  const get = (values: Properties, name: string) => plain(values[name] ?? null);

  /** The properties a resource with these inputs has before anything is computed. */
  const planned = (inputs: Properties): Properties => {
    const properties: Properties = {};
    for (const [name, input] of Object.entries(expected)) {
      const value = inputs[name] ?? input.default;
      if (value !== undefined && value !== null) properties[name] = value;
    }
    if (renews) {
      const [validity, early] = [get(properties, "validityPeriodHours"), get(properties, "earlyRenewalHours")];
      properties.readyForRenewal = validity === 0 || Number(early) >= Number(validity);
    }
    return properties;
  };
  const marked = (properties: Properties): Properties =>
    Object.fromEntries(
      Object.entries(properties).map(([name, value]) => [name, secrets.includes(name) ? secret(value) : value]),
    );

  return {
    check(inputs) {
      const missing = Object.keys(expected).filter((name) => expected[name]?.required && inputs[name] === undefined);
      const refused = Object.entries(inputs).flatMap(([property, given]) => {
        if (property === "version" || property.startsWith("__")) return [];
        const input = expected[property];
        if (!input) return [{ property, reason: `${property} is not served by this stand-in for the tls provider` }];
        const value = plain(given);
        const reason = value === UNKNOWN ? undefined : input.refuse?.(value);
        return reason ? [{ property, reason: `${property} ${reason}` }] : [];
      });
      return [...missing.map((property) => ({ property, reason: `${property} is required` })), ...refused];
    },

    diff(state, _oldInputs, inputs) {
      const news = planned(inputs);
      // Computed when not given, and then kept: taking it away changes nothing.
      if (news.maxPathLength === undefined && state.maxPathLength !== undefined)
        news.maxPathLength = state.maxPathLength;
      const names = Object.keys(planned({ ...state, ...inputs }));
      const only = (all: Properties) =>
        Object.fromEntries(names.flatMap((name) => (name in all ? [[name, get(all, name)]] : [])));
      const updates = ["earlyRenewalHours", "readyForRenewal"];
      const changes = differences(only(state), only(news), (property) => !updates.includes(property));
      if (!renews || !due(state, get(news, "earlyRenewalHours"))) return changes;
      const renewal: Change = { path: ["readyForRenewal"], kind: "update", replace: true };
      return [...changes.filter((change) => change.path[0] !== "readyForRenewal"), renewal];
    },

    async create(inputs, operation) {
      const properties = planned(inputs);
      if (operation.preview) {
        // A path length that is not given is computed too.
        const open = [...computed, ...secrets, ...("maxPathLength" in expected ? ["maxPathLength"] : [])];
        const unknown = Object.fromEntries(open.map((name) => [name, UNKNOWN]));
        return { id: "", state: marked({ ...unknown, ...properties }) };
      }
      const { id, outputs } = await create(plain(properties) as Properties, operation.log);
      return { id, state: marked({ ...properties, ...outputs, id }) };
    },

    // Only what does not replace comes here: the early renewal hours, and what follows from them.
    update: (state, inputs) => Promise.resolve(marked({ ...state, ...planned(inputs) })),
    delete: () => Promise.resolve(),
    read: (state) =>
      renews && due(state, get(state, "earlyRenewalHours")) ? { ...state, readyForRenewal: true } : state,
  };
}

export const tls: Provider = {
  name: "tls",
  version,
  types: {
    "tls:index/privateKey:PrivateKey": resourceType(privateKey),
    "tls:index/certRequest:CertRequest": resourceType(certRequest),
    "tls:index/selfSignedCert:SelfSignedCert": resourceType(selfSignedCert),
    "tls:index/locallySignedCert:LocallySignedCert": resourceType(locallySignedCert),
  },
};
