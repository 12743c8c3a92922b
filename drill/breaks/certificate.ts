import { UserError } from "../../lib/run";
import { controlPlane, found, kubectl, type ClusterClient, type Secret } from "../../verify/api";
import { certificates, decoded } from "../../verify/certificates";
import type { Drill } from "../drill";
import { commonName, expiredIssuer } from "./expiredIssuer";
import { managersPatch, type ManagedFields } from "./objects";

interface Issuer {
  /** Keys of the Secret's data. Example: `{ certificate: "crt.pem", key: "key.pem" }` */
  fields: { certificate: string; key: string };
  managedFields: ManagedFields[];
}

const issuer = { namespace: controlPlane, name: "linkerd-identity-issuer" };

/** Keeps the issuer during the drill. It has a private key, which must not be in a file of this machine. */
const backup = { namespace: controlPlane, name: "linkerd-identity-issuer-before-drill" };

const identityPods = { namespace: controlPlane, labelSelector: "linkerd.io/control-plane-component=identity" };

/** Linkerd's identity keeps an issuer that it has read when the next one is expired. So it is restarted. */
async function restartIdentity({ core }: ClusterClient): Promise<void> {
  const { items } = await core.listNamespacedPod(identityPods);
  const names = items.map(({ metadata }) => metadata?.name ?? "");
  await Promise.all(names.map((name) => found(core.deleteNamespacedPod({ namespace: controlPlane, name, gracePeriodSeconds: 0 })))); // prettier-ignore
}

async function replaceData({ core }: ClusterClient, { fields }: Issuer, data: Secret["data"] = {}): Promise<void> {
  const body = Object.values(fields).map((field) => ({ op: "replace", path: `/data/${field}`, value: data[field] }));
  await core.patchNamespacedSecret({ ...issuer, body });
}

export const certificate: Drill<Issuer> = {
  id: "certificate",
  breaks: ({ target }) => `the issuer of ${target.name} has expired, and linkerd-identity was restarted with it`,
  operator: ({ stack, target }) =>
    `npm run rotate -- issuers ${stack.name} makes a new issuer and restarts the pods. Pods that run keep their ` +
    `certificates for up to 24 hours; new pods do not start: ${kubectl(target, `-n ${controlPlane} logs deploy/linkerd-identity -c identity`)}`,
  changes: "target",
  async prepare({ target, stack }) {
    const secret = await found(target.core.readNamespacedSecret(issuer));
    const data = secret?.data ?? {};
    // Two schemes: linkerd.io/tls, the chart's default, and kubernetes.io/tls.
    const fields = data["crt.pem"] ? { certificate: "crt.pem", key: "key.pem" } : { certificate: "tls.crt", key: "tls.key" }; // prettier-ignore
    if (data[fields.certificate] && data[fields.key]) {
      return { fields, managedFields: secret?.metadata?.managedFields ?? [] };
    }
    const next = stack.runtime === "existing" ? "another drill" : `npm start -- ${stack.name} --refresh`;
    throw new UserError(`${target.name} has no issuer in the Secret ${issuer.name}. Next: ${next}`);
  },
  async break({ target }, state) {
    const { data } = await target.core.readNamespacedSecret(issuer);
    await target.core.createNamespacedSecret({ namespace: controlPlane, body: { metadata: backup, data } });
    const encode = (text: string) => Buffer.from(text).toString("base64");
    const expired = expiredIssuer();
    const { fields } = state;
    await replaceData(target, state, {
      [fields.certificate]: encode(expired.certificate),
      [fields.key]: encode(expired.key),
    });
    await restartIdentity(target);
  },
  async restore({ target }, state) {
    const [saved, now] = await Promise.all([
      found(target.core.readNamespacedSecret(backup)),
      found(target.core.readNamespacedSecret(issuer)),
    ]);
    if (!saved) return;
    const [present] = certificates(decoded(now?.data?.[state.fields.certificate]) ?? "");
    if (present?.subject.includes(commonName)) await replaceData(target, state, saved.data);
    const isBack = (await found(target.core.readNamespacedSecret(issuer)))?.data?.[state.fields.key] === saved.data?.[state.fields.key]; // prettier-ignore
    if (isBack) await target.core.patchNamespacedSecret({ ...issuer, body: managersPatch(state.managedFields) });
    await restartIdentity(target);
    // Last, because its absence says that everything is back.
    await found(target.core.deleteNamespacedSecret(backup));
  },
};
