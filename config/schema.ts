import { isIP } from "node:net";
import * as z from "zod";
import { rangeProblem } from "./ranges";

/** Where clusters come from. See components/clusters. */
export const runtimes = ["k3d", "kwok", "existing"] as const;
export type Runtime = (typeof runtimes)[number];

/** How clusters reach each other: through gateways only, or also pod to pod. */
const networks = ["gateway", "flat"] as const;
export type Network = (typeof networks)[number];

export const chartNames = ["linkerd-crds", "linkerd-control-plane", "linkerd-multicluster"] as const;
export type ChartName = (typeof chartNames)[number];

/** Longest in-mesh cluster name: mirror names end in it, and Kubernetes limits Service names to 63 characters. */
export const longestClusterName = 20;

// The text beside each check says what is allowed. It ends up in the refusal.
export const text = z.string("a non-empty string").min(1, "a non-empty string");
const clusterNames = `a list of different names, each of a-z, 0-9 and -, at most ${longestClusterName} characters`;
const dnsName = "a DNS name in lower case, such as cluster.local";
const generations = "a list of different whole numbers from 1";
const images = "a list of non-empty strings";
const k3sArgs = "a list of options for k3s server, such as --node-label=disk=ssd";
const ownArgs = "other options than --cluster-domain and --disable=traefik, which the program sets";

export const domain = text
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, dnsName)
  .max(200, dnsName);
export const whole = (least: number, most: number) => {
  const allowed = `a whole number from ${least} to ${most}`;
  return z.int(allowed).min(least, allowed).max(most, allowed);
};

/** One number for all clusters, or one by cluster. */
const perCluster = (number: z.ZodType<number>, allowed: string) =>
  z.union([number, z.record(z.string(), number)], `${allowed}, for all clusters or by cluster`);
const published =
  'a list by cluster, such as { east: ["8080:80"] }: a port of this machine, and one of a LoadBalancer Service';
const isPort = (port: string) => /^[1-9]\d*$/.test(port) && Number(port) <= 65_535;

export const serverCount = z.literal([1, 3, 5], "1, 3 or 5");
export const agentCount = whole(0, 20);
export const publishedPorts = (allowed: string) =>
  z.array(
    z.string(allowed).refine((pair) => /^\d+:\d+$/.test(pair) && pair.split(":").every(isPort), allowed),
    allowed,
  );

/** The name of a cluster inside the mesh. */
export const clusterName = z
  .string(clusterNames)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, clusterNames)
  .max(longestClusterName, clusterNames);

/** The fields of a link. */
export const link = { source: text, target: text };

/** The fields of one cluster of yours. */
export const existingFields = {
  context: z.string("a context of your kubeconfig").min(1, "a context of your kubeconfig"),
  kubeconfig: text.optional(),
  apiServer: text
    .refine((url) => /^https:\/\/[^\s@]+$/.test(url) && URL.canParse(url), "the https URL of an API server")
    .optional(),
  gateway: text
    .refine(
      (host) => isIP(host) !== 0 || /^[\w-]+(\.[\w-]+)*$/.test(host),
      "a host name or an IP address, without scheme and port",
    )
    .optional(),
  domain: domain.optional(),
};
const existing = z.strictObject(existingFields, "context, and where needed kubeconfig, apiServer, gateway, domain");

export const shape = {
  runtime: z.enum(runtimes, runtimes.join(", ")),
  clusters: z.array(clusterName, clusterNames).min(1, clusterNames),
  links: z.union(
    [
      z.literal("mesh"),
      z.strictObject({ hub: text }, "{hub: <cluster>}"),
      z.array(z.strictObject(link, "{source, target}"), "a list of {source, target}"),
    ],
    "mesh, {hub: <cluster>}, or a list of {source, target}",
  ),
  network: z.enum(networks, networks.join(", ")),
  flatRange: text.superRefine((value, context) => {
    const problem = rangeProblem(value);
    if (problem) context.addIssue({ code: "custom", message: problem });
  }),
  orgDomain: domain,
  manifests: text,
  linkerdVersion: text.regex(/^\d+\.\d+\.\d+(-[\w.]+)?$/, "a chart version such as 2026.8.3 (which is edge-26.8.3)"),
  chartRepository: text.regex(/^(https?|oci):\/\/\S+$/, "the http, https or oci URL of a Helm repository"),
  chartDirectory: text,
  linkerdCheckout: text,
  chartValues: z.partialRecord(
    z.enum(chartNames, `one of ${chartNames.join(", ")}`),
    z.record(z.string(), z.unknown(), "a mapping of values"),
    `a mapping of ${chartNames.join(", ")}`,
  ),
  proxyLogLevel: text,
  webhookFailurePolicy: z.enum(["Fail", "Ignore"], "Fail, Ignore"),
  installGatewayApi: z.boolean("true, false"),
  portBase: whole(1024, 65_000),
  nodeImage: text.regex(/^\S+$/, "an image, such as rancher/k3s:v1.34.4-k3s1"),
  servers: perCluster(serverCount, "1, 3 or 5"),
  agents: perCluster(agentCount, "a whole number from 0 to 20"),
  ports: z.record(z.string(), publishedPorts(published), published),
  k3sArgs: z.array(
    z
      .string(k3sArgs)
      .regex(/^--[a-z][a-z0-9-]*(=[^@]*)?$/, k3sArgs)
      .refine((arg) => !/^--(cluster-domain|disable=.*\btraefik\b)/.test(arg), ownArgs),
    k3sArgs,
  ),
  images: z.array(z.string(images).min(1, images), images),
  registryMirror: text.superRefine((value, context) => {
    const problem = mirrorProblem(value);
    if (problem) context.addIssue({ code: "custom", message: problem });
  }),
  imageCache: z.boolean("true, false"),
  caFile: text,
  existing: z.record(z.string(), existing, "a mapping of clusters"),
  trustAnchors: z
    .array(z.int(generations).min(1, generations), generations)
    .min(1, generations)
    .refine((list) => new Set(list).size === list.length, generations),
  issuerGeneration: whole(1, 1_000_000),
};

/** Why a registry mirror cannot work inside the nodes, or undefined. */
function mirrorProblem(value: string): string | undefined {
  const allowed = "the http(s) URL of a registry, such as https://registry.example.com/mirror";
  const url = /^https?:\/\/\S+$/.test(value) && URL.canParse(value) ? new URL(value) : undefined;
  if (!url) return allowed;
  if (url.username || url.password) return `${allowed}, without a user and a password`;
  if (/^(localhost|127\..*|\[::1\])$/.test(url.hostname))
    return `${allowed}; in a node ${url.hostname} is the node itself, and this machine is host.k3d.internal`;
  return undefined;
}

/** What a user can set. Each setting may be left out. */
export const schema = z.strictObject(shape).partial();
export type SettingName = keyof typeof shape;
export type ExistingSettings = z.infer<typeof existing>;

/** What the checks do not say about a setting. */
export interface About {
  description: string;
  /** Pulumi.yaml has it too, so that `pulumi config` shows it. */
  default?: unknown;
  /** A default that depends on something else, in words. */
  otherwise?: string;
  /** The only runtimes that use it. Default: all. */
  runtimes?: readonly Runtime[];
  /** The next command after a refusal. Default: `pulumi config set <setting> <value>` */
  next?: string;
  /** A fault in one item is a fault of the whole list. */
  isWhole?: boolean;
  example?: unknown;
}

export const about: Record<SettingName, About> = {
  runtime: {
    description:
      "Where clusters come from: k3d (made in Docker), kwok (simulated, no Docker), existing (contexts of yours)",
    default: "k3d",
  },
  clusters: {
    description: "Names of the clusters inside the mesh",
    default: ["east", "west"],
    next: "pulumi config set --path 'clusters[0]' east",
  },
  links: {
    description:
      "Which cluster mirrors what which exports: `mesh` links every pair both ways, `{hub: <cluster>}` links one with all others both ways, and a list has one directed link per entry",
    default: "mesh",
    next: "pulumi config rm links",
    example: [{ source: "east", target: "west" }],
  },
  network: {
    description:
      "gateway: requests to other clusters go through their gateways. flat: pods also reach each other's addresses, as services labelled remote-discovery or federated need. docs/modes.md compares them. On k3d a change makes the clusters anew",
    default: "gateway",
  },
  flatRange: {
    description: "With network flat: private range from which the clusters take those of their pods and services",
    default: "10.64.0.0/12",
    runtimes: ["k3d"],
  },
  orgDomain: {
    description: "Local clusters' domains are <cluster>.<orgDomain>, and the trust anchor is named after it",
    default: "cluster.local",
  },
  manifests: { description: "Directory with one folder of Kubernetes YAML per cluster", default: "manifests" },
  linkerdVersion: {
    description: "Version of the three Linkerd charts; 2026.8.3 is edge-26.8.3",
    default: "2026.8.3",
  },
  chartRepository: {
    description:
      "Helm repository of the charts, also in an OCI registry; each chart is fetched once per version and kept",
    default: "https://helm.linkerd.io/edge",
  },
  chartDirectory: {
    description:
      "Linkerd's three charts as folders, in place of the repository. MESH_CHART_DIRECTORY sets it for a shell. Not with another repository or version",
    otherwise: "none",
    next: "pulumi config set chartDirectory <directory>",
    example: "../charts",
  },
  linkerdCheckout: {
    description:
      "Directory with the source of linkerd2: its charts, and the images that its bin/docker-build made. Not with a chartDirectory, another repository or version",
    otherwise: "none",
    runtimes: ["k3d", "kwok"],
    next: "pulumi config set linkerdCheckout <directory>",
    example: "../linkerd2",
  },
  chartValues: {
    description: "More values for Linkerd's charts, by chart. Values that the program sets are refused",
    otherwise: "none",
    example: { "linkerd-multicluster": { gateway: { serviceAnnotations: { "example.com/internal": "true" } } } },
  },
  proxyLogLevel: { description: "Log level of the Linkerd proxies", default: "linkerd=debug,warn" },
  webhookFailurePolicy: {
    description: "With Fail no pod starts without its proxy. The policy validator always has Ignore",
    otherwise: "Fail; Ignore on kwok",
    example: "Ignore",
  },
  installGatewayApi: {
    description: "Install the Gateway API's definitions; false where the clusters have them already, as GKE does",
    default: true,
  },
  portBase: {
    description: "First host port of local clusters",
    otherwise: "6440 in stack dev, else from the stack's name",
    runtimes: ["k3d", "kwok"],
    example: 7000,
  },
  nodeImage: {
    description: "Image of the nodes",
    otherwise: "the one k3d was released with",
    runtimes: ["k3d"],
    example: "rancher/k3s:v1.34.4-k3s1",
  },
  servers: {
    description: "Number of k3s servers. More than one share an etcd. A change makes the cluster anew",
    otherwise: "1",
    runtimes: ["k3d"],
    example: { east: 3 },
  },
  agents: {
    description: "Number of further nodes, which run pods only. A change makes the cluster anew",
    otherwise: "0",
    runtimes: ["k3d"],
    example: { east: 2 },
  },
  ports: {
    description:
      "Ports of this machine (on 127.0.0.1) that lead to LoadBalancer Services of a cluster. A change makes the cluster anew",
    otherwise: "none",
    runtimes: ["k3d"],
    next: "pulumi config set --path 'ports.<cluster>[0]' 8080:80",
    example: { east: ["8080:80"] },
  },
  k3sArgs: {
    description: "More options for k3s server. A change makes the clusters anew",
    default: [],
    runtimes: ["k3d"],
    next: "pulumi config set --path 'k3sArgs[0]' <option>",
    example: ["--node-label=disk=ssd"],
  },
  images: {
    description: "Images of the local Docker engine to import into every cluster",
    default: [],
    runtimes: ["k3d"],
    next: "pulumi config set --path 'images[0]' <value>",
    isWhole: true,
    example: ["shop:dev"],
  },
  registryMirror: {
    description: "URL of a registry, with a path if needed, that every image is pulled through",
    otherwise: "none",
    runtimes: ["k3d"],
    example: "https://registry.example.com/mirror",
  },
  imageCache: {
    description:
      "Pull images through the image cache of this machine, which all clusters and stacks share: docs/images.md. A registryMirror takes its place. A change makes the clusters anew",
    default: true,
    runtimes: ["k3d"],
  },
  caFile: {
    description:
      "File with the certificates (PEM) of private authorities that the nodes trust when they pull images, such as a proxy's or a registry's",
    otherwise: "none",
    runtimes: ["k3d"],
    example: "certificates/company.pem",
  },
  existing: {
    description:
      "Clusters of yours by name: context, and where needed kubeconfig, apiServer, gateway (it must answer on ports 4143 and 4191), domain",
    otherwise: "none",
    runtimes: ["existing"],
    example: { east: { context: "gke-east", gateway: "203.0.113.7" } },
  },
  trustAnchors: {
    description: "Generations of the trust anchor; all are trusted, the first signs. Changed by npm run rotate",
    default: [1],
    next: "npm run rotate -- anchor",
    isWhole: true,
  },
  issuerGeneration: { description: "Increased by npm run rotate to get new issuers", default: 1 },
};
