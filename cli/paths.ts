import * as os from "node:os";
import * as path from "node:path";

/** The clone this file is in. */
export const root = path.join(__dirname, "..");

/** State of the default backend, its passphrase, kept event logs. Per clone, ignored by git. */
export const stateDirectory = path.join(root, ".state");

/** Tools and charts, shared by all clones: `$XDG_CACHE_HOME/linkerd-multicluster-mesh`. */
export const cacheDirectory = path.join(
  process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"),
  "linkerd-multicluster-mesh",
);
