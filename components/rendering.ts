import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { version } from "@pulumi/kubernetes/package.json";
import type { Cluster, LocalCluster } from "./clusters/cluster";
import { clusterDirectory, exclusively, writePrivately } from "./clusters/lifecycle/places";

/** A Kubernetes object as a chart renders it. */
export interface KubernetesObject {
  kind: string;
  metadata: { name: string; annotations?: Record<string, string> };
  [field: string]: unknown;
}

export interface ChartArgs {
  cluster: Cluster;
  /** Path of the chart: a directory or an archive. */
  chart: string;
  namespace: string;
  /** Without keys: what they are rendered to is kept in a file. */
  values: Record<string, pulumi.Input<unknown>>;
  /** Provider of the objects that stay when the chart goes, in a cluster of yours. Default: the cluster's. */
  keptBy?: pulumi.ProviderResource;
}

export interface RenderingArgs extends ChartArgs {
  cluster: LocalCluster;
  /** Turns the rendered objects into what is kept. */
  write: (objects: KubernetesObject[]) => string;
}

export interface Options {
  parent: pulumi.Resource;
  dependsOn?: pulumi.Resource[];
}

/**
 * The path of a file with what a chart is rendered to for a local cluster.
 *
 * It is rendered once by the cluster's provider, whose Helm it is, and kept beside the cluster's kubeconfig until
 * the cluster goes. Its name is a digest of all that went into it, so that none is ever out of date.
 * Rendering anew in each preview was most of what the providers did there: the control plane's chart makes three RSA keys each
 * time, also where it is given others (docs/performance.md).
 *
 * Unknown in a preview that does not know the values yet, or is yet to make the cluster. Rendered after what it depends on: the
 * provider learns of new kinds then, when it asks for the cluster's (setKubeVersionAndAPIVersions in pulumi-kubernetes).
 *
 * @throws Error with Helm's words where the chart cannot be rendered
 * @example
 * const file = rendering("mesh-east-crds", { cluster, chart, namespace: "linkerd", values: {}, write: JSON.stringify }, { parent });
 */
export function rendering(
  name: string,
  { cluster, chart, namespace, values, write }: RenderingArgs,
  opts: Options,
): pulumi.Output<string> {
  // Without a kubeconfig, as in a preview that is yet to make the cluster, the provider renders nothing.
  const file = pulumi.all([values, cluster.kubeconfig]).apply(([known]) => {
    const jsonOpts = JSON.stringify({ path: chart, release_name: name, namespace, values: known });
    const directory = path.join(clusterDirectory(cluster.plan.outsideName), "charts");
    const kept = path.join(directory, `${name}-${digest(jsonOpts, chart)}.yaml`);
    if (fs.existsSync(kept)) return pulumi.output(kept);
    // What the SDK's own v3.Chart asks the provider for: its helm/v3/helm.ts.
    const rendered = pulumi.runtime.invokeOutput<{ result: KubernetesObject[] }>(
      "kubernetes:helm:template",
      { jsonOpts },
      { ...opts, provider: cluster.provider },
    );
    return rendered.apply(async ({ result }) => {
      // As helm.v4.Chart does: hooks are for Helm's own installations.
      const text = write(result.filter(({ metadata }) => !metadata.annotations?.["helm.sh/hook"]));
      // A preview beside an update writes the same.
      await exclusively(kept, () => writePrivately(kept, text));
      return kept;
    });
  });
  // The kubeconfig makes it one, and is not in it.
  return pulumi.unsecret(file);
}

/** Of what Helm is told, the chart's files, the provider, and the code in this folder, which shapes what is written. */
function digest(told: string, chart: string): string {
  const hash = createHash("sha256").update(JSON.stringify([version, told]));
  for (const directory of [chart, __dirname]) hash.update(contentOf(directory));
  return hash.digest("hex").slice(0, 16);
}

const contents = new Map<string, string>();

/** A digest of a file, or of a directory's files and their names. Read once. */
function contentOf(place: string): string {
  const known = contents.get(place);
  if (known) return known;
  const hash = createHash("sha256");
  for (const file of filesOf(place)) {
    const content = fs.readFileSync(file);
    hash.update(`${path.relative(place, file)} ${content.length}\n`).update(content);
  }
  const content = hash.digest("hex");
  contents.set(place, content);
  return content;
}

function filesOf(place: string): string[] {
  if (!fs.statSync(place).isDirectory()) return [place];
  const entries = fs.readdirSync(place, { recursive: true }).map((entry) => path.join(place, String(entry)));
  return entries.filter((entry) => fs.statSync(entry).isFile()).sort();
}
