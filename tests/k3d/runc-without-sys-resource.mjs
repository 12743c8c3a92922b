/**
 * Takes out of what runc is about to start all that needs CAP_SYS_RESOURCE: the capability itself, the resource limits
 * and a negative out-of-memory score. It edits the container's config.json (create, run) or the process file (exec).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const args = process.argv.slice(2);

/** @param {string[]} names @returns {string | undefined} the value of the first of these flags that is given */
function flag(...names) {
  for (const name of names) {
    const at = args.indexOf(name);
    if (at >= 0) return args[at + 1];
  }
  return undefined;
}

/** @typedef {{ capabilities?: Record<string, string[]>, rlimits?: object[], oomScoreAdj?: number }} Started */

/** @param {Started} started */
function lower(started) {
  for (const [set, names] of Object.entries(started.capabilities ?? {})) {
    started.capabilities = { ...started.capabilities, [set]: names.filter((name) => name !== "CAP_SYS_RESOURCE") };
  }
  delete started.rlimits;
  if ((started.oomScoreAdj ?? 0) < 0) delete started.oomScoreAdj;
}

/** @param {string} file @param {(content: unknown) => void} change */
function edit(file, change) {
  /** @type {unknown} */
  const content = JSON.parse(readFileSync(file, "utf8"));
  change(content);
  writeFileSync(file, JSON.stringify(content));
}

const bundle = flag("--bundle", "-b");
const started = flag("--process", "-p");
if ((args.includes("create") || args.includes("run")) && bundle !== undefined) {
  edit(join(bundle, "config.json"), (config) => lower(/** @type {{ process: Started }} */ (config).process));
} else if (args.includes("exec") && started !== undefined) {
  edit(started, (content) => lower(/** @type {Started} */ (content)));
}
