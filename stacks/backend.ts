import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { cacheDirectory, stateDirectory } from "../lib/paths";
import { defaultBackend, hasLogin, pulumiHome } from "../tools/pulumiHome";
import type { Environment } from "../lib/run";

/** How the engine is told to run, whatever the backend. What each of it saves stands in docs/performance.md. */
export const engineSettings = {
  PULUMI_SKIP_UPDATE_CHECK: "true",
  // No bound, in the engine's words: a Deployment holds one of its operations (4 a core) until its pods are ready.
  PULUMI_PARALLEL: process.env.PULUMI_PARALLEL ?? String(2 ** 31 - 1),
  // Engine and providers make much garbage, also by writing the whole state at each step: collected less often, up to a bound.
  GOGC: process.env.GOGC ?? "200",
  GOMEMLIMIT: process.env.GOMEMLIMIT ?? "1GiB",
  // What of Pulumi's SDK was compiled is kept: a third off its loading, with Node.js 22 or later.
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? path.join(cacheDirectory(), "node"),
  // The whole state is written twice a resource: a tenth of the bytes. `pulumi stack export` shows it as ever.
  PULUMI_DIY_BACKEND_ZSTD: "true",
};

/**
 * What pulumi needs in its environment to find the state. With a login, or PULUMI_BACKEND_URL, that is the user's own
 * matter; else state goes to `.state/` under a generated passphrase.
 */
export function backendEnvironment(): Environment {
  const common = { ...engineSettings, PULUMI_HOME: pulumiHome() };
  if (hasLogin()) return common;
  return {
    ...common,
    PULUMI_BACKEND_URL: defaultBackend,
    // What a stack's secrets are encrypted with is read from its state where the stack's file does not say it.
    PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true",
    ...passphrase(),
  };
}

function passphrase(): Environment {
  fs.mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  if (process.env.PULUMI_CONFIG_PASSPHRASE !== undefined || process.env.PULUMI_CONFIG_PASSPHRASE_FILE) return {};
  const file = path.join(stateDirectory, "passphrase");
  if (!fs.existsSync(file)) {
    // Linked into place, which fails where the file is there: of two first starts at once, one passphrase holds.
    const fresh = `${file}.${process.pid}`;
    fs.writeFileSync(fresh, randomBytes(32).toString("base64url"), { mode: 0o600 });
    try {
      fs.linkSync(fresh, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      fs.rmSync(fresh);
    }
  }
  return { PULUMI_CONFIG_PASSPHRASE_FILE: file };
}
