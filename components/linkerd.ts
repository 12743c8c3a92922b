import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { checkArgs } from "../config/arguments";
import { type Generations, restartsOf } from "../config/trust";
import { installChart } from "./chart";
import { mergedValues } from "./chartValues";
import { type InClusterArgs, withProvider } from "./clusters/cluster";
import { commandDefaults, program } from "./clusters/program";
import { definitions } from "./definitions";
import { Objects } from "./objects";
import { part, plainPart, readyWith, sourcesOf } from "./parts";
import { placeholder } from "./placeholders";
import { type ChartArgs, chartObjects, type ChartRequest, commonOf } from "./preparedCharts";
import { makeSecret } from "./secret";
import { type IssuerParts, webhookNames, webhookServices } from "./trustAnchor";

/** Pods carry this annotation so that they restart, in the graph's order, when certificates change. */
export const trustAnnotation = "linkerd-multicluster-mesh/trust";

/** Choices for Linkerd in one cluster or all of a mesh. */
export interface LinkerdOptions extends Generations, ChartArgs {
  /** Log level of the Linkerd proxies. Default: `linkerd=debug,warn` */
  proxyLogLevel?: string;
  /**
   * `Fail`: no pod starts without its proxy, not even while the injector restarts. `Ignore` (the chart's default): such
   * pods run unmeshed until someone restarts them. The policy validator always has `Ignore`. Default: `Fail`
   */
  webhookFailurePolicy?: "Fail" | "Ignore";
  /** Whether to install the Gateway API's definitions; false where the cluster has them already. Default: true */
  installGatewayApi?: boolean;
}

/** What the charts of a Linkerd depend on. */
export interface LinkerdChartArgs extends LinkerdOptions {
  /** DNS domain of the cluster, and its trust domain. Default: `cluster.local` */
  domain?: string;
}

/** The charts of `new Linkerd(name, args)`: the definitions, and the control plane. */
export function linkerdCharts(name: string, args: LinkerdChartArgs): [ChartRequest, ChartRequest] {
  const { domain = "cluster.local", chartValues: own = {}, installGatewayApi = true } = args;
  const { proxyLogLevel = "linkerd=debug,warn", webhookFailurePolicy = "Fail" } = args;
  const common = { namespace: "linkerd", ...commonOf(args) };
  return [
    {
      ...common,
      chart: "linkerd-crds",
      release: `${name}-crds`,
      // `linkerd check` fails without the Gateway API. k3s ships a copy only with Traefik, and Traefik is disabled.
      values: mergedValues("linkerd-crds", { installGatewayAPI: installGatewayApi }, own["linkerd-crds"]),
    },
    {
      ...common,
      chart: "linkerd-control-plane",
      release: `${name}-control-plane`,
      values: mergedValues(
        "linkerd-control-plane",
        {
          clusterDomain: domain,
          identityTrustDomain: domain,
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
          proxy: { logLevel: proxyLogLevel },
          webhookFailurePolicy,
          // The identity controller notices a changed issuer after about a minute. A restart applies it at once.
          podAnnotations: { [trustAnnotation]: restartsOf(args).controlPlane },
        },
        own["linkerd-control-plane"],
      ),
    },
  ];
}

export interface LinkerdArgs extends InClusterArgs, LinkerdChartArgs {
  /** Every trusted root, PEM: the output `bundlePem` of the TrustAnchor. All clusters get exactly the same string. */
  trustBundle: pulumi.Input<string>;
  /** The cluster's entry in the output `issuers` of the TrustAnchor. */
  issuer: pulumi.Input<IssuerParts>;
  /** @internal Text that changes exactly when the cluster becomes another one. Default: the component's name */
  context?: string;
  /** @internal When pods may start. Default: at once */
  imagesReady?: Promise<void>;
}

/** What other components need of Linkerd in a cluster. */
export interface LinkerdParts {
  /** Its namespace, once it is there. */
  namespace: pulumi.Input<string>;
  /** True once the control plane is ready. */
  ready: pulumi.Input<boolean>;
}

/**
 * Linkerd in one cluster: its namespace, CRDs and control plane. Ready when the control plane is.
 *
 * @throws RefusedError for faulty arguments, and when a chart cannot be had or rendered
 * @example
 * new Linkerd("east", { kubeconfig, trustBundle: anchor.bundlePem, issuer: anchor.issuers.east });
 */
export class Linkerd extends pulumi.ComponentResource {
  /** For the arguments `linkerd` of Multicluster and Workloads. */
  readonly installed: LinkerdParts;

  constructor(name: string, args: LinkerdArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArgs("Linkerd", name, args);
    const [crdObjects, controlPlaneObjects] = linkerdCharts(name, args).map(chartObjects);
    super("mesh:index:Linkerd", name, {}, withProvider(`${name}-linkerd`, args.kubeconfig, opts));
    const { kubeconfig, local, issuer, trustBundle, webhookFailurePolicy = "Fail", context = name, imagesReady } = args;
    const namespace = new k8s.core.v1.Namespace(
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
    const cluster = { kubeconfig, local, context };
    const crds = definitions(`${name}-crds`, { ...cluster, objects: crdObjects ?? [] }, { parent: this });
    const certificates = this.certificates(name, namespace.metadata.name, args);
    const bundles = Object.fromEntries(
      webhookNames.map((webhook) => [webhook, plainPart(issuer, ({ webhooks }) => webhooks[webhook].certPem)]),
    );
    const controlPlane = installChart(
      `${name}-control-plane`,
      {
        objects: controlPlaneObjects ?? [],
        texts: { trustBundle, ...bundles },
        after: { pods: sourcesOf(pulumi.output(imagesReady)) },
      },
      { parent: this, dependsOn: [crds, ...certificates] },
    );
    const answering =
      webhookFailurePolicy === "Fail"
        ? [
            new command.local.Command(
              `${name}-webhooks`,
              {
                create: program("components/awaitWebhooks.ts"),
                environment: { MESH_KUBECONFIG: kubeconfig },
                triggers: [restartsOf(args).controlPlane],
                ...commandDefaults(),
              },
              { parent: this, dependsOn: controlPlane },
            ),
          ]
        : [];
    this.installed = {
      namespace: namespace.metadata.name,
      ready: readyWith([
        namespace,
        ...(crds instanceof Objects ? crds.resources : [crds]),
        ...certificates,
        ...controlPlane.resources,
        ...answering,
      ]),
    };
    this.registerOutputs();
  }

  /**
   * The trust roots, the issuer and the webhooks' certificates. They are created and changed before the chart.
   *
   * The chart would change them side by side with the pods that read them at start. A pod could then start with the old
   * roots, look up to date, and never restart. Also, keys stay out of the chart, because its rendering is kept in a
   * file.
   */
  private certificates(
    name: string,
    namespace: pulumi.Output<string>,
    { trustBundle, issuer }: LinkerdArgs,
  ): pulumi.Resource[] {
    const type = "kubernetes.io/tls";
    const child = { parent: this };
    // In older states these Secrets belong to the chart.
    const chart = pulumi.createUrn(`${name}-control-plane`, "kubernetes:helm.sh/v4:Chart", this);
    const webhookSecrets = webhookNames.map((webhook) => {
      const secret = `${webhookServices[webhook]}-k8s-tls`;
      const texts = {
        "tls.crt": plainPart(issuer, ({ webhooks }) => webhooks[webhook].certPem),
        "tls.key": part(issuer, ({ webhooks }) => webhooks[webhook].keyPem),
      };
      return makeSecret(
        `${name}-${secret}`,
        { metadata: { name: secret, namespace }, type, texts },
        {
          ...child,
          aliases: [pulumi.createUrn(`${name}-control-plane:linkerd/${secret}`, "kubernetes:core/v1:Secret", chart)],
        },
      );
    });
    return [
      ...webhookSecrets,
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
          texts: {
            "tls.crt": plainPart(issuer, ({ certPem }) => certPem),
            "tls.key": part(issuer, ({ keyPem }) => keyPem),
            "ca.crt": trustBundle,
          },
        },
        child,
      ),
    ];
  }
}
