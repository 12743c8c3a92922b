import type { Manifest } from "../config/manifests";

const configuration = "linkerd-policy-validator-webhook-config";

/**
 * Gives the policy validator's webhook the failure policy `Ignore`, regardless of the setting `webhookFailurePolicy`.
 * Other webhooks stay as they are.
 *
 * The policy controller closes each connection two seconds after its last request (`header_read_timeout` in
 * linkerd-kubert, kubert/src/server.rs). The API server keeps connections open and may send the next request on one
 * that is being closed. It then reads EOF, and with policy `Fail` it refuses a valid object. A validator that answers
 * still refuses invalid policies.
 */
export function withoutRefusals(object: Manifest): Manifest {
  if (object.metadata.name !== configuration) return object;
  const webhooks = object.webhooks as Record<string, unknown>[];
  return { ...object, webhooks: webhooks.map((webhook) => ({ ...webhook, failurePolicy: "Ignore" })) };
}
