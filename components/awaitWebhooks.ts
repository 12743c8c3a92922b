import { ApiException, CoreV1Api, CustomObjectsApi, KubeConfig } from "@kubernetes/client-node";

/** How long a control plane whose Deployments are ready may take to answer. */
const deadlineMilliseconds = 120_000;

/**
 * Waits until Linkerd's injector and its profile validator answer. linkerd.ts runs it where their failure policy is Fail.
 *
 * A Deployment is ready a moment before its Service leads anywhere. With policy Fail the API server refuses every object
 * that is created in that moment. Both requests are dry runs and create nothing. The policy validator is not asked: its
 * failure policy is always Ignore (policyValidator.ts).
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
        ...{ group: "linkerd.io", version: "v1alpha2", plural: "serviceprofiles", namespace },
        dryRun: "All",
        body: {
          apiVersion: "linkerd.io/v1alpha2",
          kind: "ServiceProfile",
          metadata: { name: `${metadata.name}.${namespace}.svc.cluster.local` },
          spec: { routes: [] },
        },
      }),
  ];
  const end = Date.now() + deadlineMilliseconds;
  await Promise.all(
    questions.map(async (question) => {
      for (;;) {
        const refusal = await question().then(
          () => undefined,
          (error: unknown) => webhookFailure(error),
        );
        if (refusal === undefined) break;
        if (Date.now() > end) throw new Error(`Linkerd's webhooks do not answer: ${refusal}`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }),
  );
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
