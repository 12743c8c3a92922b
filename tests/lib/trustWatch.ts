import { X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Api, ApiObject } from "./api";

const trustAnnotation = "linkerd-multicluster-mesh/trust";

interface Pod extends ApiObject {
  metadata: ApiObject["metadata"] & { deletionTimestamp?: string; annotations?: Record<string, string> };
}

/** A pod with a proxy, and the roots and issuers that the proxy started with. */
interface Proxy {
  /** Example: `west/linkerd-identity-5d8f` */
  name: string;
  cluster: string;
  isIdentity: boolean;
  /** Roots it trusts, PEM. It reads them once, at its start. */
  anchors: string[];
  /** Issuers that its own certificate may be signed by, PEM. */
  issuers: string[];
}

interface Certificates {
  anchors: string[];
  issuer: string;
}

/**
 * Watches a rotation as a client of every proxy would: at each moment, does every proxy trust what every other one shows?
 *
 * Simulated pods run no proxy. A proxy is modelled by the time its pod came: it has the roots of its cluster at that
 * moment, and a certificate of the issuer that the identity pods had then. If there were two sets between two looks,
 * only the roots in both count as trusted, and the certificates of either count as shown.
 */
export class TrustWatch {
  /** Where a proxy met one it would refuse. Example: `west/web-0 refuses east/curl-1: its issuer is signed by ...` */
  readonly refusals = new Set<string>();
  /** How often everything was looked at, and how many pairs of proxies were compared. */
  looks = 0;
  pairs = 0;
  /** Different sets of roots that proxies had, and different issuers: a watch that saw one of each saw no rotation. */
  readonly seen = { anchors: new Set<string>(), issuers: new Set<string>() };
  private readonly proxies = new Map<string, Proxy>();
  private readonly certificates = new Map<string, Certificates>();
  private running = true;
  private readonly loop: Promise<void>;

  constructor(private readonly clusters: Record<string, Api>) {
    this.loop = this.run();
  }

  /** Ends watching. Rejects with whatever went wrong in it. */
  async end(): Promise<void> {
    this.running = false;
    await this.loop;
  }

  private async run(): Promise<void> {
    while (this.running) {
      await Promise.all(Object.entries(this.clusters).map(([name, api]) => this.look(name, api)));
      this.compare();
      this.looks += 1;
      await sleep(50);
    }
  }

  private async look(cluster: string, api: Api): Promise<void> {
    const now = await certificatesOf(api);
    const before = this.certificates.get(cluster) ?? now;
    this.certificates.set(cluster, now);
    const pods = ((await api.list("/api/v1/pods")) as Pod[]).filter(
      ({ metadata }) => isMeshed(metadata) && !metadata.deletionTimestamp,
    );
    const present = new Set(pods.map(({ metadata }) => metadata.uid));
    for (const [uid, proxy] of this.proxies) {
      if (proxy.cluster === cluster && !present.has(uid)) this.proxies.delete(uid);
    }
    // Identity pods first: what they hold is what they sign the others with.
    for (const { metadata } of pods.sort((a, b) => Number(isIdentity(b)) - Number(isIdentity(a)))) {
      const uid = metadata.uid ?? "";
      if (this.proxies.has(uid)) continue;
      const own = unique([before.issuer, now.issuer]);
      const identities = [...this.proxies.values()].filter((proxy) => proxy.cluster === cluster && proxy.isIdentity);
      this.proxies.set(uid, {
        name: `${cluster}/${metadata.name}`,
        cluster,
        isIdentity: isIdentity({ metadata }),
        anchors: now.anchors.filter((anchor) => before.anchors.includes(anchor)),
        issuers: isIdentity({ metadata }) ? own : unique(identities.flatMap(({ issuers }) => issuers)),
      });
    }
  }

  private compare(): void {
    for (const client of this.proxies.values()) {
      this.seen.anchors.add(client.anchors.join());
      for (const server of this.proxies.values()) {
        this.pairs += 1;
        for (const issuer of server.issuers) {
          this.seen.issuers.add(issuer);
          if (client.anchors.some((anchor) => chains(issuer, anchor))) continue;
          this.refusals.add(
            `${client.name} refuses ${server.name}: ${new X509Certificate(issuer).serialNumber} is signed by none of its ` +
              `${client.anchors.length} anchors`,
          );
        }
      }
    }
  }
}

async function certificatesOf(api: Api): Promise<Certificates> {
  const [roots, issuer] = await Promise.all([
    api.get<{ data: Record<string, string> }>("/api/v1/namespaces/linkerd/configmaps/linkerd-identity-trust-roots"),
    api.get<{ data: Record<string, string> }>("/api/v1/namespaces/linkerd/secrets/linkerd-identity-issuer"),
  ]);
  const bundle = roots.body.data["ca-bundle.crt"] ?? "";
  return {
    anchors: bundle.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [],
    issuer: Buffer.from(issuer.body.data["tls.crt"] ?? "", "base64").toString(),
  };
}

/** Linkerd's own pods carry the annotation. The others live in `default`, whose pods get a proxy. */
function isMeshed({ annotations, namespace }: Pod["metadata"]): boolean {
  return annotations?.[trustAnnotation] !== undefined || namespace === "default";
}

function isIdentity({ metadata }: Pick<Pod, "metadata">): boolean {
  return metadata.name.startsWith("linkerd-identity-");
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}

const known = new Map<string, boolean>();

/** Whether the root signed the issuer, and both are valid now. */
function chains(issuer: string, anchor: string): boolean {
  const key = issuer + anchor;
  const answer = known.get(key);
  if (answer !== undefined) return answer;
  const [child, root] = [new X509Certificate(issuer), new X509Certificate(anchor)];
  const now = Date.now();
  const valid = [child, root].every(
    ({ validFrom, validTo }) => Date.parse(validFrom) <= now && now <= Date.parse(validTo),
  );
  const found = valid && child.checkIssued(root) && child.verify(root.publicKey);
  known.set(key, found);
  return found;
}
