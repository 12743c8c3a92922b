import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { checkArgs } from "../config/arguments";
import type { Generations } from "../config/trust";

/**
 * Ten years, the default of `step certificate create --profile root-ca`, as in the demo:
 * https://github.com/linkerd/l2d-k3d-statefulset
 */
const anchorHours = 87_600;
/** One year, as in the demo. */
const issuerHours = 8_760;
/** Linkerd accepts nothing else for its issuers. https://linkerd.io/2/tasks/generate-certificates/ */
const key = { algorithm: "ECDSA", ecdsaCurve: "P256" };
const ca = { isCaCertificate: true, setSubjectKeyId: true, allowedUses: ["cert_signing", "crl_signing"] };

/** A certificate and its private key, both PEM. The key is a secret. */
export interface KeyPair {
  certPem: pulumi.Output<string>;
  keyPem: pulumi.Output<string>;
}

/**
 * A key pair as Linkerd's programs read it: the key is encoded as PKCS#8.
 *
 * All of them read PKCS#8. `privateKeyPem` of an ECDSA key is SEC1, and the policy controller refuses it ("could not
 * load private key"): load_private_key in linkerd-kubert, kubert/src/server/tls_rustls.rs. The Go programs read both:
 * DecodePEMKey in linkerd2, pkg/tls/codec.go.
 */
function forLinkerd(certPem: pulumi.Output<string>, { privateKeyPemPkcs8 }: tls.PrivateKey): KeyPair {
  return { certPem, keyPem: privateKeyPemPkcs8 };
}

export interface TrustAnchorArgs extends Generations {
  /** Clusters that get an issuer: their trust domains by name. Default: none. Example: `{ east: "east.cluster.local" }` */
  clusters?: Record<string, string>;
  /** Domain that the roots are named after. Default: `cluster.local` */
  orgDomain?: string;
}

/** What Linkerd in one cluster needs of the TrustAnchor. */
export interface IssuerParts {
  /** Certificate of the issuer, PEM. */
  certPem: pulumi.Input<string>;
  /** Private key of the issuer, PEM as PKCS#8. A secret. */
  keyPem: pulumi.Input<string>;
  /** When the issuer expires, RFC 3339. */
  expires: pulumi.Input<string>;
  /** Certificates of the webhooks of the control plane. */
  webhooks: WebhookParts;
}

/** Certificates of the webhooks of one control plane. */
export interface WebhookParts {
  proxyInjector: KeyPairParts;
  profileValidator: KeyPairParts;
  policyValidator: KeyPairParts;
}

/** A certificate and its private key. */
export interface KeyPairParts {
  /** PEM. */
  certPem: pulumi.Input<string>;
  /** PEM as PKCS#8. A secret. */
  keyPem: pulumi.Input<string>;
}

/**
 * The roots that every cluster trusts, one self-signed ECDSA P-256 root per generation, and an issuer for each cluster.
 *
 * Several generations exist side by side only while the anchor is rotated (docs/rotation.md). All of them are trusted,
 * and the first of `anchors` signs.
 *
 * @throws RefusedError for faulty arguments
 * @example const anchor = new TrustAnchor("mesh", { clusters: { east: "east.cluster.local" } });
 */
export class TrustAnchor extends pulumi.ComponentResource {
  /** Every trusted root, PEM, oldest first. All clusters get exactly the same string. */
  readonly bundlePem: pulumi.Output<string>;
  /** When the signing root expires, RFC 3339. */
  readonly expires: pulumi.Output<string>;
  /** The issuer of each cluster: a CA signed by the anchor. For the argument `issuer` of Linkerd. */
  readonly issuers: Record<string, IssuerParts> = {};

  constructor(name: string, args: TrustAnchorArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArgs("TrustAnchor", name, args);
    super("mesh:index:TrustAnchor", name, {}, opts);
    const { clusters = {}, orgDomain = "cluster.local", anchors = [1], issuerGeneration = 1 } = args;
    const commonName = `identity.linkerd.${orgDomain}`;
    const roots = new Map(
      anchors.map((generation) => [generation, this.root(`${name}-anchor-${generation}`, commonName)]),
    );
    const [first = 1] = anchors;
    const signing = roots.get(first);
    if (!signing) throw new Error("checkArgs refuses an empty list of anchors");

    const oldestFirst = [...roots].sort(([a], [b]) => a - b).map(([, root]) => root.cert.certPem);
    this.bundlePem = pulumi.all(oldestFirst).apply((pems) => pems.map((pem) => pem.trim() + "\n").join(""));
    this.expires = signing.cert.validityEndTime;
    // The tls provider signs with it, and reads every encoding.
    const signer = { certPem: signing.cert.certPem, keyPem: signing.key.privateKeyPem };
    for (const [cluster, domain] of Object.entries(clusters)) {
      const issuer = new Issuer(
        `${name}-${cluster}`,
        { domain, signer, generation: `${first}-${issuerGeneration}`, issuerGeneration },
        { parent: this },
      );
      this.issuers[cluster] = { ...issuer.keyPair, expires: issuer.expires, webhooks: issuer.webhooks };
    }
    this.registerOutputs({ bundlePem: this.bundlePem, expires: this.expires });
  }

  /**
   * The issuer of one of the clusters.
   *
   * @throws RunError for a cluster that the arguments do not name
   */
  issuer(cluster: string): IssuerParts {
    const issuer = this.issuers[cluster];
    const named = Object.keys(this.issuers).join(", ");
    if (!issuer) throw new pulumi.RunError(`the TrustAnchor has no issuer for ${cluster}; allowed: ${named || "none"}`);
    return issuer;
  }

  private root(name: string, commonName: string): { key: tls.PrivateKey; cert: tls.SelfSignedCert } {
    const privateKey = new tls.PrivateKey(name, key, { parent: this });
    const cert = new tls.SelfSignedCert(
      name,
      {
        ...ca,
        privateKeyPem: privateKey.privateKeyPem,
        subject: { commonName },
        validityPeriodHours: anchorHours,
      },
      { parent: this },
    );
    return { key: privateKey, cert };
  }
}

/** The chart's values key and the Service of each of Linkerd's webhooks. */
export const webhookServices = {
  proxyInjector: "linkerd-proxy-injector",
  profileValidator: "linkerd-sp-validator",
  policyValidator: "linkerd-policy-validator",
} as const;
type Webhook = keyof typeof webhookServices;
export const webhookNames = Object.keys(webhookServices) as Webhook[];

interface IssuerArgs {
  /** Trust domain of the cluster. Example: `east.cluster.local` */
  domain: string;
  /** The anchor that signs. */
  signer: KeyPair;
  /** Of the signer and the issuer. Example: `1-1` */
  generation: string;
  issuerGeneration: number;
}

/**
 * One cluster's certificates: Linkerd's issuer, and one certificate for each of the control plane's webhooks.
 *
 * Unless the charts are given webhook certificates, they make new ones on every rendering, and the control plane would
 * restart each time.
 */
class Issuer extends pulumi.ComponentResource {
  readonly keyPair: KeyPair;
  readonly webhooks: Record<Webhook, KeyPair>;
  /** When the issuer expires, RFC 3339. */
  readonly expires: pulumi.Output<string>;

  constructor(
    name: string,
    { domain, signer, generation, issuerGeneration }: IssuerArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("mesh:index:Issuer", name, {}, opts);
    const child = { parent: this };
    // The signer is part of the name, so a certificate of another root is a new resource, made before the old one goes.
    const issuer = `${name}-issuer-${generation}`;
    const privateKey = new tls.PrivateKey(issuer, key, child);
    const request = new tls.CertRequest(
      issuer,
      { privateKeyPem: privateKey.privateKeyPem, subject: { commonName: `identity.linkerd.${domain}` } },
      child,
    );
    const cert = new tls.LocallySignedCert(
      issuer,
      {
        ...ca,
        certRequestPem: request.certRequestPem,
        caCertPem: signer.certPem,
        caPrivateKeyPem: signer.keyPem,
        validityPeriodHours: issuerHours,
      },
      child,
    );
    this.keyPair = forLinkerd(cert.certPem, privateKey);
    this.expires = cert.validityEndTime;

    const webhook = (service: string): KeyPair => {
      const webhookName = `${name}-${service}-${issuerGeneration}`;
      const webhookKey = new tls.PrivateKey(webhookName, key, child);
      const host = `${service}.linkerd.svc`;
      const webhookCert = new tls.SelfSignedCert(
        webhookName,
        {
          privateKeyPem: webhookKey.privateKeyPem,
          subject: { commonName: host },
          dnsNames: [host],
          validityPeriodHours: issuerHours,
          allowedUses: ["digital_signature", "key_encipherment", "server_auth"],
        },
        child,
      );
      return forLinkerd(webhookCert.certPem, webhookKey);
    };
    this.webhooks = {
      proxyInjector: webhook(webhookServices.proxyInjector),
      profileValidator: webhook(webhookServices.profileValidator),
      policyValidator: webhook(webhookServices.policyValidator),
    };
    this.registerOutputs({ expires: this.expires });
  }
}
