import { ApiException, AppsV1Api, CoreV1Api, CustomObjectsApi, KubeConfig } from "@kubernetes/client-node";
import { isRolledOut } from "../lib/rolledOut";
import { UserError } from "../lib/run";
import { runToEnd } from "../lib/verbs";
import { variable } from "./clusters/lifecycle/spec";
import { hasOtherTrustRoots, presentTrustRootHash } from "../lib/trustRoots";

/**
 * How long to wait for a control plane whose Deployments are ready. The kubelet takes up to two minutes to update a
 * mounted ConfigMap:
 * https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
 */
const deadlineMilliseconds = 240_000;

/** Of the probe objects. They are never created. */
const namespace = "default";
const metadata = { name: "linkerd-webhook-probe" };

interface Apis {
  apps: AppsV1Api;
  core: CoreV1Api;
  custom: CustomObjectsApi;
}

/**
 * Waits until the control plane is rolled out, its injector and profile validator answer, and the injector gives pods the
 * current trust anchors. linkerd.ts runs it where the webhooks' failure policy is Fail.
 *
 * The kubernetes provider considers a Deployment updated while its new ReplicaSet has no pods ("Replicas scaled to 0").
 * A Deployment is ready a moment before its Service has endpoints. With policy Fail the API server refuses every object
 * created in that moment. Also, the injector reads the anchors from a mounted ConfigMap that may be a minute old. A
 * gateway that starts then refuses every client with a certificate of the new anchor.
 *
 * Both requests are dry runs and create nothing. The policy validator is not asked: its failure policy is always Ignore
 * (policyValidator.ts).
 *
 * Environment: MESH_KUBECONFIG.
 */
async function awaitWebhooks(kubeconfig: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const apis = {
    apps: config.makeApiClient(AppsV1Api),
    core: config.makeApiClient(CoreV1Api),
    custom: config.makeApiClient(CustomObjectsApi),
  };
  const end = Date.now() + deadlineMilliseconds;
  await Promise.all(
    [rolloutFault, injectorFault, profileValidatorFault].map(async (ask) => {
      for (;;) {
        const fault = await ask(apis);
        if (fault === undefined) break;
        if (Date.now() > end) throw new UserError(`Linkerd's control plane is not ready: ${fault}`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }),
  );
}

async function rolloutFault({ apps }: Apis): Promise<string | undefined> {
  const { items } = await apps.listNamespacedDeployment({
    namespace: "linkerd",
    labelSelector: "linkerd.io/control-plane-component",
  });
  const rolling = items.filter((deployment) => !isRolledOut(deployment)).map(({ metadata }) => metadata?.name);
  return rolling.length > 0 ? `not rolled out: ${rolling.join(", ")}` : undefined;
}

async function injectorFault({ core }: Apis): Promise<string | undefined> {
  const probe = {
    metadata: { ...metadata, annotations: { "linkerd.io/inject": "enabled" } },
    spec: { containers: [{ name: "probe", image: "probe" }] },
  };
  const hash = await presentTrustRootHash(core);
  try {
    const pod = await core.createNamespacedPod({ namespace, dryRun: "All", body: probe });
    if (!hasOtherTrustRoots(pod, hash)) return undefined;
  } catch (error) {
    return webhookFailure(error);
  }
  return "the injector does not give pods the current trust anchors yet";
}

async function profileValidatorFault({ custom }: Apis): Promise<string | undefined> {
  const probe = custom.createNamespacedCustomObject({
    ...{ group: "linkerd.io", version: "v1alpha2", plural: "serviceprofiles", namespace },
    dryRun: "All",
    body: {
      apiVersion: "linkerd.io/v1alpha2",
      kind: "ServiceProfile",
      metadata: { name: `${metadata.name}.${namespace}.svc.cluster.local` },
      spec: { routes: [] },
    },
  });
  return probe.then(() => undefined, webhookFailure);
}

/** The API server's message if it could not reach a webhook. Any other refusal counts as an answer. */
function webhookFailure(error: unknown): string | undefined {
  if (!(error instanceof ApiException)) throw error;
  const text = `${error.message} ${JSON.stringify(error.body)}`;
  return text.includes("failed calling webhook") ? text : undefined;
}

void runToEnd(() => awaitWebhooks(variable("MESH_KUBECONFIG")));
