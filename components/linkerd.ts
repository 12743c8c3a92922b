import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ChartPaths } from "../config/charts";
import type { ClusterPlan, TrustPlan } from "../config/plan";
import type { Settings } from "../config/settings";
import { installChart } from "./chart";
import { mergedValues } from "./chartValues";
import type { Capabilities, Cluster } from "./clusters/cluster";
import { inCluster } from "./clusters/cluster";
import { program } from "./clusters/program";
import { definitions } from "./definitions";
import type { Manifest } from "../config/manifests";
import { placeholder } from "./placeholders";
import { renderChart } from "./rendering";
import { makeSecret } from "./secret";
import { type Issuer, type Webhook, webhookServices } from "./trustAnchor";

/** Pods carry this annotation so that they restart, in the graph's order, when certificates change. */
export const trustAnnotation = "linkerd-multicluster-mesh/trust";

/** Linkerd's rendered charts for one cluster. */
export interface LinkerdCharts {
  definitions: Manifest[];
  controlPlane: Manifest[];
}

export interface LinkerdRendering {
  paths: ChartPaths;
  cluster: ClusterPlan;
  trust: TrustPlan;
  settings: Pick<Settings, "proxyLogLevel" | "webhookFailurePolicy" | "installGatewayApi" | "chartValues">;
  capabilities: Capabilities;
}

/** Renders the charts of `new Linkerd(name, ...)`. */
export async function renderLinkerd(
  name: string,
  { paths, cluster, trust, settings, capabilities }: LinkerdRendering,
): Promise<LinkerdCharts> {
  const common = { namespace: "linkerd", capabilities };
  const own = settings.chartValues;
  const [definitions, controlPlane] = await Promise.all([
    renderChart({
      ...common,
      chart: paths["linkerd-crds"],
      release: `${name}-crds`,
      // `linkerd check` fails without the Gateway API. k3s ships a copy only with Traefik, and Traefik is disabled.
      values: mergedValues("linkerd-crds", { installGatewayAPI: settings.installGatewayApi }, own["linkerd-crds"]),
    }),
    renderChart({
      ...common,
      chart: paths["linkerd-control-plane"],
      release: `${name}-control-plane`,
      values: mergedValues(
        "linkerd-control-plane",
        {
          clusterDomain: cluster.domain,
          identityTrustDomain: cluster.domain,
          identityTrustAnchorsPEM: placeholder("trustBundle"),
          identity: { externalCA: true, issuer: { scheme: "kubernetes.io/tls" } },
          // Without these, each rendering makes new certificates, and the control plane restarts.
          ...Object.fromEntries(
            Object.keys(webhookServices).map((webhook) => [
              webhook,
              { externalSecret: true, caBundle: placeholder(webhook) },
            ]),
          ),
          // Its schedule depends on the time of rendering, and it reports to Linkerd's makers.
          disableHeartBeat: true,
          proxy: { logLevel: settings.proxyLogLevel },
          webhookFailurePolicy: settings.webhookFailurePolicy,
          // The identity controller notices a changed issuer after about a minute. A restart applies it at once.
          podAnnotations: { [trustAnnotation]: trust.controlPlane },
        },
        own["linkerd-control-plane"],
      ),
    }),
  ]);
  return { definitions, controlPlane };
}

export interface LinkerdArgs {
  cluster: Cluster;
  charts: LinkerdCharts;
  /** Every trusted root, PEM. All clusters get exactly the same string. */
  trustBundle: pulumi.Input<string>;
  issuer: Issuer;
  trust: TrustPlan;
  /**
   * `Fail`: no pod starts without its proxy, not even while the injector restarts. `Ignore` (the chart's default): such
   * pods run unmeshed until someone restarts them. The policy validator always has `Ignore`: see
   * policyValidator.ts.
   */
  webhookFailurePolicy: "Fail" | "Ignore";
}

/**
 * Linkerd in one cluster: its namespace, CRDs and control plane. Ready when the control plane is.
 *
 * @example new Linkerd("mesh-east", { cluster: east, charts, trustBundle: anchor.bundlePem, issuer, ... }, { parent: mesh });
 */
export class Linkerd extends pulumi.ComponentResource {
  readonly namespace: k8s.core.v1.Namespace;

  constructor(name: string, args: LinkerdArgs, opts: { parent: pulumi.Resource }) {
    const { cluster, charts, issuer, trust } = args;
    super("mesh:index:Linkerd", name, {}, inCluster(cluster, opts.parent));
    this.namespace = new k8s.core.v1.Namespace(
      name,
      {
        metadata: {
          name: "linkerd",
          annotations: { "linkerd.io/inject": "disabled" },
          labels: {
            "linkerd.io/control-plane-ns": "linkerd",
            "linkerd.io/is-control-plane": "true",
            // Keeps Linkerd's webhooks off its own pods. Otherwise nothing could start here with policy Fail.
            "config.linkerd.io/admission-webhooks": "disabled",
            "pod-security.kubernetes.io/enforce": "privileged",
          },
        },
      },
      { parent: this },
    );
    const crds = definitions(`${name}-crds`, { cluster, objects: charts.definitions }, { parent: this });
    const certificates = this.certificates(name, args);
    const bundles = Object.fromEntries(
      Object.entries(issuer.webhooks).map(([webhook, { certPem }]) => [webhook, certPem]),
    );
    const controlPlane = installChart(
      `${name}-control-plane`,
      { objects: charts.controlPlane, texts: { trustBundle: args.trustBundle, ...bundles } },
      { parent: this, dependsOn: [crds, ...certificates] },
    );
    if (args.webhookFailurePolicy === "Fail") {
      new command.local.Command(
        `${name}-webhooks`,
        {
          create: program("components/awaitWebhooks.ts"),
          environment: { MESH_KUBECONFIG: cluster.kubeconfig },
          triggers: [trust.controlPlane],
          addPreviousOutputInEnv: false,
        },
        { parent: this, dependsOn: controlPlane },
      );
    }
    this.registerOutputs();
  }

  /**
   * The trust roots, the issuer and the webhooks' certificates. They are created and changed before the chart.
   *
   * The chart would change them side by side with the pods that read them at start. A pod could then start with the old
   * roots, look up to date, and never restart. Also, keys stay out of the chart, because its rendering is kept in a
   * file.
   */
  private certificates(name: string, { trustBundle, issuer }: LinkerdArgs): pulumi.Resource[] {
    const namespace = this.namespace.metadata.name;
    const type = "kubernetes.io/tls";
    const child = { parent: this };
    // In older states these Secrets belong to the chart.
    const chart = pulumi.createUrn(`${name}-control-plane`, "kubernetes:helm.sh/v4:Chart", this);
    const webhooks = Object.entries(issuer.webhooks).map(([webhook, { certPem, keyPem }]) => {
      const secret = `${webhookServices[webhook as Webhook]}-k8s-tls`;
      return makeSecret(
        `${name}-${secret}`,
        { metadata: { name: secret, namespace }, type, texts: { "tls.crt": certPem, "tls.key": keyPem } },
        {
          ...child,
          aliases: [pulumi.createUrn(`${name}-control-plane:linkerd/${secret}`, "kubernetes:core/v1:Secret", chart)],
        },
      );
    });
    return [
      ...webhooks,
      new k8s.core.v1.ConfigMap(
        `${name}-trust-roots`,
        { metadata: { name: "linkerd-identity-trust-roots", namespace }, data: { "ca-bundle.crt": trustBundle } },
        child,
      ),
      makeSecret(
        `${name}-issuer`,
        {
          metadata: { name: "linkerd-identity-issuer", namespace },
          type,
          texts: { "tls.crt": issuer.keyPair.certPem, "tls.key": issuer.keyPair.keyPem, "ca.crt": trustBundle },
        },
        child,
      ),
    ];
  }
}
