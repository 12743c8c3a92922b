import * as pulumi from "@pulumi/pulumi";
import * as z from "zod";
import { root } from "../lib/paths";
import { caFileProblem } from "./caFile";
import { agentCount, clusterName, domain, existingFields, publishedPorts, serverCount, shape, text, whole } from "./schema"; // prettier-ignore
import { RefusedError } from "./settings";

/** A value that may be known later: only its absence is refused. */
const later = (allowed: string) => z.unknown().refine((value) => value !== undefined && value !== null, allowed);
const optional = <Shape extends Record<string, z.ZodType>>(fields: Shape) => z.object(fields).partial().shape;

const physicalName = "a-z, 0-9 and -, at most 32 characters";
const texts = z.array(text, "a list of non-empty strings");
const name = z.string(physicalName).regex(/^[a-z0-9]+(-+[a-z0-9]+)*$/, physicalName).max(32, physicalName); // prettier-ignore
const port = whole(1024, 65_535);
const caFile = text.superRefine((file, context) => {
  const message = caFileProblem(file, root);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});
const objects = z.array(
  z.looseObject(
    {
      apiVersion: text,
      kind: text,
      metadata: z.looseObject({ name: text }, "a mapping with a name"),
    },
    "a Kubernetes object",
  ),
  "a list of Kubernetes objects, known before the update",
);

const generations = optional({ anchors: shape.trustAnchors, issuerGeneration: shape.issuerGeneration });
const charts = optional({
  chartRepository: shape.chartRepository,
  linkerdVersion: shape.linkerdVersion,
  chartDirectory: shape.chartDirectory,
  chartValues: shape.chartValues,
  kubernetesVersion: text.regex(/^v\d+\.\d+\.\d+/, "a version such as v1.34.4"),
  apiVersions: texts,
});
const linkerd = optional({
  proxyLogLevel: shape.proxyLogLevel,
  webhookFailurePolicy: shape.webhookFailurePolicy,
  installGatewayApi: shape.installGatewayApi,
});
const inCluster = { kubeconfig: later("a kubeconfig"), local: z.unknown().optional() };
const k3d = {
  apiPort: port,
  ...optional({
    ...{ physicalName: name, nodeImage: shape.nodeImage, servers: serverCount, agents: agentCount },
    publishedPorts: publishedPorts(
      'a list such as ["8080:80"]: a port of this machine, and one of a LoadBalancer Service',
    ),
    ...{ k3sArgs: shape.k3sArgs, images: shape.images, developmentImages: texts },
    ...{
      registryMirror: shape.registryMirror,
      imageCache: shape.imageCache,
      caFile,
      podRange: text,
      serviceRange: text,
      owner: text,
    },
  }),
};
const kwok = { ports: z.array(port, "six ports").length(6, "six ports"), ...optional({ physicalName: name, owner: text }) }; // prettier-ignore
const workloads = optional({ manifests: objects, namespaces: texts });
const link = z.strictObject({ source: clusterName, target: clusterName }, "{source, target}");
const meshCluster = z.strictObject(
  {
    ...optional({ domain, k3d: z.strictObject(k3d, "the options of a k3d cluster") }),
    ...optional({ kwok: z.strictObject(kwok, "the options of a kwok cluster"), context: text }),
    ...optional({
      apiServer: text.regex(/^https?:\/\/\S+$/, "the URL of an API server"),
      gateway: existingFields.gateway,
    }),
    ...optional({ kubernetesVersion: charts.kubernetesVersion, apiVersions: charts.apiVersions }),
    ...workloads,
  },
  "the options of a cluster",
);
const end = later("the output `end` of a Multicluster");

/** The arguments of each component. The text beside each check says what is allowed. */
const shapes = {
  K3dCluster: {
    ...k3d,
    ...optional({ domain, dockerNetwork: text, peerNodes: texts, network: z.unknown().optional() }),
  },
  TrustAnchor: { ...generations, ...optional({ clusters: z.record(clusterName, domain), orgDomain: domain }) },
  Linkerd: {
    ...{ ...inCluster, ...generations, ...charts, ...linkerd },
    ...{ domain: domain.optional(), trustBundle: later("the output `bundlePem` of a TrustAnchor") },
    ...{
      issuer: later("one of the output `issuers` of a TrustAnchor"),
      ...optional({ context: text, imagesReady: z.unknown() }),
    },
  },
  Multicluster: {
    ...{ ...inCluster, ...generations, ...charts, clusterName, targets: z.array(clusterName).optional() },
    ...{ domain: domain.optional(), linkerd: later("the output `installed` of a Linkerd") },
    ...optional({ apiServer: z.unknown(), gateway: z.unknown(), provider: z.unknown() }),
  },
  MulticlusterLink: { source: end, target: end, measuresRoutes: z.boolean("true, false").optional() },
  Workloads: {
    ...{ ...inCluster, ...generations, ...workloads },
    linkerd: later("the output `installed` of a Linkerd"),
    multicluster: later("the output `end` of a Multicluster"),
  },
  Mesh: {
    ...{ ...generations, ...charts, ...linkerd },
    clusters: z.record(clusterName, meshCluster, "a mapping of clusters"),
    kubeconfigs: z.unknown().optional(),
    ...optional({ links: z.array(link, "a list of {source, target}"), orgDomain: domain }),
    ...optional({ dockerNetwork: text, measuresRoutes: z.boolean("true, false"), imagesReady: z.unknown() }),
  },
} satisfies Record<string, Record<string, z.ZodType>>;

/**
 * Refuses faulty arguments of a component before it registers anything.
 *
 * @throws RefusedError with every fault: the argument, its value, what is allowed
 * @example checkArgs("K3dCluster", "east", { apiPort: 80 }) // apiPort of K3dCluster east is 80; allowed: ...
 */
export function checkArgs(component: keyof typeof shapes, name: string, args: object): void {
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined && value !== null));
  const shape: Record<string, z.ZodType> = shapes[component];
  const result = z.strictObject(shape).safeParse(given);
  if (result.success) return;
  const owner = `of ${component} ${name}`;
  const refusals = result.error.issues.flatMap((issue) => {
    const place = issue.path.map(String);
    if (issue.code === "unrecognized_keys") {
      const allowed = place.length === 0 ? Object.keys(shape).join(", ") : "what docs/components.md lists";
      return issue.keys.map((key) => `${[...place, key].join(".")} ${owner} is unknown; allowed: ${allowed}`);
    }
    const value = issue.path.reduce<unknown>((all, part) => (all as Record<PropertyKey, unknown>)[part], given);
    return [`${place.join(".")} ${owner} is ${shown(value)}; allowed: ${issue.message}`];
  });
  throw new RefusedError([...new Set(refusals)]);
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  return pulumi.Output.isInstance(value) ? "an output, known during the update only" : JSON.stringify(value).slice(0, 60); // prettier-ignore
}
