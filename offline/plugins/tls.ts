// Offline stand-in for the tls provider plugin. Implements PrivateKey, CertRequest, SelfSignedCert and
// LocallySignedCert like the sources of terraform-provider-tls 4.2.1, an older version than the SDK wraps: defaults,
// replacements, renewal, secrets, and certificates as Go's crypto/x509 writes them.
// Not supported, and refused: the write-only inputs (privateKeyPemWo, caPrivateKeyPemWo), getCertificate, getPublicKey.
// Not tested by it: that the real plugin loads; that it sees no difference in state from this one; its error messages.
import { createHash } from "node:crypto";
import { version } from "@pulumi/tls/package.json";
import type { CertificateOptions, Subject } from "./certificates";
import { ALGORITHMS, type Algorithm, CURVES, generateKey, keyOutputs, publicKeyDer } from "./keys";
import { type Change, type Properties, UNKNOWN, type Value, differences, plain, secret } from "./properties";
import type { Operation, Provider, ResourceType } from "./serve";
import { ALLOWED_USES } from "./uses";

// Loaded by the first certificate or request, with its X.509 libraries: the engine waits for each plugin to start, and a
// preview creates neither. Not by import(): the plugins run with tsx/cjs, which resolves TypeScript for require() only.
const certificates = () => module.require("./certificates") as typeof import("./certificates");

interface Input {
  required?: true;
  /** The resource's value when the input is not given. */
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
  /** Outputs that are unknown in the preview of a creation. */
  computed: string[];
  /** Properties that are always secret. */
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
// The real provider refuses other uses since 4.0.0. The SDK's own documentation lists them in camel case, which fails.
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
    const { certificateRequest, parsePrivateKey } = certificates();
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
    const { parsePrivateKey, selfSigned } = certificates();
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
    const { locallySigned, parsePrivateKey } = certificates();
    const { certRequestPem, caCertPem, caPrivateKeyPem } = inputs as Record<string, string>;
    const { key, algorithm } = parsePrivateKey(caPrivateKeyPem ?? "", "CA private key");
    const options = inputs as unknown as CertificateOptions;
    const { id, isCa, ...outputs } = locallySigned(certRequestPem ?? "", caCertPem ?? "", key, options);
    if (!isCa) await log("warning", "caCertPem is not a CA's certificate: what it signs may fail verification");
    return { id, outputs: { ...outputs, caKeyAlgorithm: algorithm } };
  },
};

/** Whether a certificate has ended or is within its early renewal hours. */
function due(state: Properties, earlyRenewalHours: Value | undefined): boolean {
  const { validityEndTime } = plain(state) as { validityEndTime?: string };
  if (validityEndTime === undefined) return false;
  return Date.parse(validityEndTime) - Number(earlyRenewalHours ?? 0) * 3_600_000 <= Date.now();
}

/** Makes a resource type from its specification. */
function resourceType({ inputs: expected, computed, secrets, create }: Specification): ResourceType {
  const renews = "earlyRenewalHours" in expected;
  const get = (values: Properties, name: string) => plain(values[name] ?? null);

  /** The properties of a resource with these inputs, before any output is computed. */
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
      // The provider computes it when it is not given. Removing the input therefore changes nothing.
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
        // The provider also computes a path length that is not given.
        const open = [...computed, ...secrets, ...("maxPathLength" in expected ? ["maxPathLength"] : [])];
        const unknown = Object.fromEntries(open.map((name) => [name, UNKNOWN]));
        return { id: "", state: marked({ ...unknown, ...properties }) };
      }
      const { id, outputs } = await create(plain(properties) as Properties, operation.log);
      return { id, state: marked({ ...properties, ...outputs, id }) };
    },

    // Only changes without replacement come here: the early renewal hours and their consequences.
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
