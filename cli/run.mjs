// The npm scripts call this file. It is plain JavaScript, because a fresh clone has nothing that runs TypeScript. It
// installs node_modules when needed, then runs cli/main.ts in the same process, so exit codes and signals pass through.
import { spawnSync } from "node:child_process";
import console from "node:console";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { whyInstall } from "./installed.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 3)) {
  console.error(
    `Node.js is ${process.versions.node}; allowed: 20.3 or later. Next: install it from https://nodejs.org`,
  );
  process.exit(1);
}

/** @typedef {import("./installed.mjs").Lock} Lock */

/** @param {string} file @returns {Lock | undefined} */
function readLock(file) {
  try {
    /** @type {unknown} */
    const lock = JSON.parse(readFileSync(join(root, file), "utf8"));
    return /** @type {Lock} */ (lock);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
}

// In "npm run drill | head" nobody reads the rest. The command still goes on to its end: a drill restores what it broke.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code !== "EPIPE") throw error;
  });
}

const why = whyInstall(readLock("package-lock.json") ?? {}, readLock("node_modules/.package-lock.json"));
if (why) {
  console.error(`${why}: npm ci (about half a minute) ...`);
  // npm's output goes to stderr: stdout belongs to the command, as in eval "$(npm run -s env)".
  const { status, error } = spawnSync("npm", ["ci", "--no-fund", "--no-audit"], { cwd: root, stdio: ["ignore", 2, 2] });
  if (error) throw error;
  if (status !== 0) {
    console.error("npm ci failed (see above). Next: npm ci");
    process.exit(status ?? 1);
  }
}

// @ts-expect-error tsx has no types for its registration by import
await import("tsx");
/** @type {unknown} */
const loaded = createRequire(import.meta.url)("./main.ts");
const { main } = /** @type {typeof import("./main.js")} */ (loaded);
process.exitCode = await main(process.argv.slice(2));
