import type { Manifest } from "../config/manifests";

const configuration = "linkerd-policy-validator-webhook-config";

/**
 * The policy validator's webhook with failure policy `Ignore`. The setting `webhookFailurePolicy` does not change it. Other
 * webhooks stay as they are.
 *
 * The policy controller closes each connection two seconds after its last request (`header_read_timeout` in
 * linkerd-kubert, kubert/src/server.rs). The API server keeps connections and sends the next request on one that is just
 * being closed. It reads EOF then, and with policy `Fail` it refuses an object that nothing is wrong with. A validator
 * that answers refuses a wrong policy as before.
 */
export function withoutRefusals(object: Manifest): Manifest {
  if (object.metadata.name !== configuration) return object;
  const webhooks = object.webhooks as Record<string, unknown>[];
  return { ...object, webhooks: webhooks.map((webhook) => ({ ...webhook, failurePolicy: "Ignore" })) };
}
