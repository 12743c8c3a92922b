import * as pulumi from "@pulumi/pulumi";
import type { Mesh } from "./mesh";
import { namespaceOf } from "../config/mirrors";
import type { Plan } from "../config/plan";
import type { Settings } from "../config/settings";
import { daysUntil, warningDays } from "../lib/expiry";

/** Requests to try, ready to paste: each mirror of the first headless service, from a meshed curl pod of the source. */
export function curlCommands(plan: Plan): string[] {
  return plan.links.flatMap(({ source, target }) => {
    const curl = source.manifests.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === "curl");
    if (!curl) return [];
    const exec = `kubectl --context ${source.context} -n ${namespaceOf(curl)} exec deploy/curl -c curl -- curl -s`;
    return plan.hosts[`${source.name}->${target.name}`]?.map((host) => `${exec} http://${host}`) ?? [];
  });
}

/** Nothing that lies beside the manifests is passed over in silence. */
export function tellIgnoredFiles({ ignoredFiles }: Pick<Settings, "ignoredFiles">): void {
  if (ignoredFiles.length === 0) return;
  const files = ignoredFiles.join(", ");
  void pulumi.log.info(`these files are not read, because they end in none of .yaml, .yml and .json: ${files}`);
}

/** No certificate renews itself: see docs/rotation.md. */
export function warnBeforeExpiry(mesh: Mesh, now = Date.now()): void {
  const warn = (what: string, expires: string, rotate: string) => {
    const days = daysUntil(expires, now);
    if (days >= warningDays) return;
    const when = days < 0 ? `expired on ${expires}` : `expires in ${days} days, on ${expires}`;
    void pulumi.log.warn(`${what} ${when}. Next: npm run rotate -- ${rotate}`);
  };
  mesh.trustAnchorExpires.apply((expires) => warn("the trust anchor", expires, "anchor"));
  for (const [name, { issuerExpires }] of Object.entries(mesh.clusters)) {
    issuerExpires.apply((expires) => warn(`the issuer of ${name}`, expires, "issuers"));
  }
}
