import { ApiException, CoreV1Api, CustomObjectsApi, KubeConfig } from "@kubernetes/client-node";

/** How long a control plane whose Deployments are ready may take to answer. */
const deadlineMilliseconds = 120_000;

/**
 * Waits until Linkerd's injector and its policy validator answer. Run by linkerd.ts where their failure policy is Fail.
 *
 * A Deployment is ready a moment before its Service leads anywhere, and with policy Fail whatever is created in that
 * moment is refused. Both questions are dry runs: nothing is made.
 *
 * Environment: MESH_KUBECONFIG.
 */
async function awaitWebhooks(kubeconfig: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  const namespace = "default";
  const metadata = { name: "linkerd-webhook-probe" };
  const questions = [
    () =>
      core.createNamespacedPod({
        namespace,
        dryRun: "All",
        body: { metadata, spec: { containers: [{ name: "probe", image: "probe" }] } },
      }),
    () =>
      custom.createNamespacedCustomObject({
        ...{ group: "policy.linkerd.io", version: "v1beta3", plural: "servers", namespace },
        dryRun: "All",
        body: {
          apiVersion: "policy.linkerd.io/v1beta3",
          kind: "Server",
          metadata,
          spec: { podSelector: {}, port: 80 },
        },
      }),
  ];
  const end = Date.now() + deadlineMilliseconds;
  for (const question of questions) {
    for (;;) {
      const refusal = await question().then(
        () => undefined,
        (error: unknown) => webhookFailure(error),
      );
      if (refusal === undefined) break;
      if (Date.now() > end) throw new Error(`Linkerd's webhooks do not answer: ${refusal}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** The API server's words when it could not reach a webhook. Any other refusal is the cluster's own, and an answer. */
function webhookFailure(error: unknown): string | undefined {
  if (!(error instanceof ApiException)) throw error;
  const text = `${error.message} ${JSON.stringify(error.body)}`;
  return text.includes("failed calling webhook") ? text : undefined;
}

const kubeconfig = process.env.MESH_KUBECONFIG;
if (!kubeconfig) throw new Error("MESH_KUBECONFIG is expected in the environment");
void awaitWebhooks(kubeconfig);
