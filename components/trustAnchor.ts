import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { TrustPlan } from "../config/plan";

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

/**
 * The roots that every cluster trusts: one self-signed ECDSA P-256 root per generation.
 *
 * Several generations exist side by side only while the anchor is rotated (docs/rotation.md). All of them are trusted,
 * and the first of `plan.anchors` signs.
 *
 * @example const anchor = new TrustAnchor("mesh", { plan: { commonName: "identity.linkerd.cluster.local", anchors: [1], ... } });
 */
export class TrustAnchor extends pulumi.ComponentResource {
  /** Every trusted root, oldest first. All clusters get exactly the same string. */
  readonly bundlePem: pulumi.Output<string>;
  /** When the signing root expires, RFC 3339. */
  readonly expires: pulumi.Output<string>;
  /** The tls provider signs with it, and reads every encoding. */
  private readonly signer: KeyPair;
  private readonly name: string;
  private readonly plan: TrustPlan;

  constructor(name: string, args: { plan: TrustPlan }, opts?: pulumi.ComponentResourceOptions) {
    super("mesh:index:TrustAnchor", name, {}, opts);
    this.name = name;
    this.plan = args.plan;
    const roots = new Map(args.plan.anchors.map((generation) => [generation, this.root(generation)]));
    const signing = args.plan.anchors.map((generation) => roots.get(generation))[0];
    if (!signing) throw new Error("trustAnchors is empty: settings.ts refuses that");

    const oldestFirst = [...roots].sort(([a], [b]) => a - b).map(([, root]) => root.cert.certPem);
    this.bundlePem = pulumi.all(oldestFirst).apply((pems) => pems.map((pem) => pem.trim() + "\n").join(""));
    this.signer = { certPem: signing.cert.certPem, keyPem: signing.key.privateKeyPem };
    this.expires = signing.cert.validityEndTime;
    this.registerOutputs({ bundlePem: this.bundlePem, expires: this.expires });
  }

  /** The issuer of one cluster: a CA signed by the anchor, renewed by increasing `issuerGeneration`. */
  issuer(cluster: { name: string; domain: string }, opts?: pulumi.ComponentResourceOptions): Issuer {
    const args = { domain: cluster.domain, signer: this.signer, plan: this.plan };
    return new Issuer(`${this.name}-${cluster.name}`, args, { parent: this, ...opts });
  }

  private root(generation: number): { key: tls.PrivateKey; cert: tls.SelfSignedCert } {
    const name = `${this.name}-anchor-${generation}`;
    const privateKey = new tls.PrivateKey(name, key, { parent: this });
    const cert = new tls.SelfSignedCert(
      name,
      {
        ...ca,
        privateKeyPem: privateKey.privateKeyPem,
        subject: { commonName: this.plan.commonName },
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
export type Webhook = keyof typeof webhookServices;

interface IssuerArgs {
  /** Trust domain of the cluster. Example: `east.cluster.local` */
  domain: string;
  /** The anchor that signs. */
  signer: KeyPair;
  plan: TrustPlan;
}

/**
 * One cluster's certificates: Linkerd's issuer, and one certificate for each of the control plane's webhooks.
 *
 * Unless the charts are given webhook certificates, they make new ones on every rendering, and the control plane would
 * restart each time.
 */
export class Issuer extends pulumi.ComponentResource {
  readonly keyPair: KeyPair;
  readonly webhooks: Record<Webhook, KeyPair>;
  /** When the issuer expires, RFC 3339. */
  readonly expires: pulumi.Output<string>;

  constructor(name: string, { domain, signer, plan }: IssuerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mesh:index:Issuer", name, {}, opts);
    const child = { parent: this };
    // The signer is part of the name, so a certificate of another root is a new resource, made before the old one goes.
    const generation = `${plan.anchors[0]}-${plan.issuerGeneration}`;
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
      const webhookName = `${name}-${service}-${plan.issuerGeneration}`;
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
