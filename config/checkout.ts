import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { contentOf } from "../lib/contents";
import { exists } from "../lib/files";
import { exclusively } from "../lib/locks";
import type { ChartName } from "./schema";

/** Linkerd's source: https://github.com/linkerd/linkerd2 */
export interface Checkout {
  /** Absolute path. */
  checkout: string;
  /** Tag of its images. Example: `git-0b83eafd` */
  tag: string;
}

/** Where the source keeps each chart. */
const folders: Record<ChartName, string> = {
  "linkerd-crds": "charts/linkerd-crds",
  "linkerd-control-plane": "charts/linkerd-control-plane",
  "linkerd-multicluster": "multicluster/charts/linkerd-multicluster",
};
/** A chart that the three depend on. A release contains a copy of it. */
const partials = "charts/partials";
/** The source has this word where a release has its version. */
const versionWord = "linkerdVersionValue";

/** The script that names the tag for `bin/docker-build`. */
const tagScript = "bin/root-tag";

/** The first file that a checkout of linkerd2 has and this directory lacks, or undefined. */
export function missingInCheckout(directory: string): string | undefined {
  const needed = [tagScript, ...[...Object.values(folders), partials].map((folder) => `${folder}/Chart.yaml`)];
  return needed.find((file) => !fs.existsSync(path.join(directory, file)));
}

/**
 * The tag that `bin/docker-build` of a checkout gives its images: `git-<commit>`, a release's name, or
 * `dev-<commit>-<user>` while there are changes that are not committed.
 *
 * @throws Error with the script's error output
 */
export function checkoutTag(directory: string): string {
  return execFileSync(path.join(directory, tagScript), { cwd: directory, encoding: "utf8", stdio: "pipe" }).trim();
}

/** The images of a mesh that `bin/docker-build` makes. */
export function checkoutImages({ tag }: Pick<Checkout, "tag">): string[] {
  return ["controller", "proxy"].map((image) => `cr.l5d.io/linkerd/${image}:${tag}`);
}

/**
 * Copies a checkout's charts into the cache as a release has them: with their partials, and with the images' tag as
 * their version. The same content is copied once.
 *
 * @param cache directory of fetched charts
 * @returns the directory with the copies
 */
export async function copyCharts({ checkout, tag }: Checkout, cache: string): Promise<string> {
  const from = (folder: string) => path.join(checkout, folder);
  const digest = createHash("sha256").update(
    [...Object.values(folders), partials].map((folder) => contentOf(from(folder))).join(),
  );
  const directory = path.join(cache, `linkerd2-${tag}-${digest.digest("hex").slice(0, 12)}`);
  await exclusively(directory, async () => {
    if (await exists(directory)) return;
    const partial = `${directory}.partial`;
    fs.rmSync(partial, { recursive: true, force: true });
    for (const [chart, folder] of Object.entries(folders)) {
      const to = path.join(partial, chart);
      const vendored = path.join(from(folder), "charts");
      fs.cpSync(from(folder), to, { recursive: true, filter: (file) => file !== vendored });
      fs.cpSync(from(partials), path.join(to, "charts/partials"), { recursive: true });
      const values = path.join(to, "values.yaml");
      fs.writeFileSync(values, fs.readFileSync(values, "utf8").replaceAll(versionWord, tag));
    }
    fs.renameSync(partial, directory);
  });
  return directory;
}
