import * as pulumi from "@pulumi/pulumi";
import { KubernetesResource } from "./objects";

export interface SecretArgs {
  metadata: { name: pulumi.Input<string>; namespace: pulumi.Input<string>; [field: string]: pulumi.Input<unknown> };
  /** Default of Kubernetes: `Opaque` */
  type: string;
  /** Its data by key, not encoded. */
  texts: Record<string, pulumi.Input<string>>;
}

/**
 * A Secret whose preview shows each unknown text as one changed field.
 *
 * The SDK's own `Secret` turns all of `data` into one unknown. `stringData` becomes `data` only once every text is
 * known, so a preview would show both.
 *
 * @example makeSecret("mesh-east-issuer", { metadata, type: "kubernetes.io/tls", texts: { "tls.crt": certPem } }, { parent });
 */
export function makeSecret(name: string, { metadata, type, texts }: SecretArgs, opts: pulumi.CustomResourceOptions) {
  const encoded = (text: pulumi.Input<string>) =>
    pulumi.output(text).apply((known) => Buffer.from(known).toString("base64"));
  const data = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, encoded(text)]));
  return new KubernetesResource(name, { apiVersion: "v1", kind: "Secret", metadata, type, data }, opts);
}
