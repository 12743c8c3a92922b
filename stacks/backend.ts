import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { cacheDirectory, stateDirectory } from "../lib/paths";
import { defaultBackend, hasLogin, pulumiHome } from "../tools/pulumiHome";
import type { Environment } from "../lib/run";

/** Engine settings for every backend. docs/performance.md says what each one saves. */
export const engineSettings = {
  PULUMI_SKIP_UPDATE_CHECK: "true",
  // The engine takes this number as "no limit". By default it runs 4 operations per core, and a Deployment holds one
  // until its pods are ready.
  PULUMI_PARALLEL: process.env.PULUMI_PARALLEL ?? String(2 ** 31 - 1),
  // Engine and providers produce much garbage, partly by writing the whole state at each step. Collect it less often,
  // up to a memory limit.
  GOGC: process.env.GOGC ?? "200",
  GOMEMLIMIT: process.env.GOMEMLIMIT ?? "1GiB",
  // Keeps the compiled code of Pulumi's SDK. It saves a third of its loading time, with Node.js 22 or later.
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? path.join(cacheDirectory(), "node"),
  // The engine writes the whole state twice per resource. Compression leaves a tenth of the bytes, and
  // `pulumi stack export` still prints plain JSON.
  PULUMI_DIY_BACKEND_ZSTD: "true",
};

/**
 * The environment in which pulumi finds the state. A user with a login, or with PULUMI_BACKEND_URL, keeps their own
 * backend. Otherwise state goes to `.state/`, and a generated passphrase encrypts its secrets.
 */
export function backendEnvironment(): Environment {
  const common = { ...engineSettings, PULUMI_HOME: pulumiHome() };
  if (hasLogin()) return common;
  return {
    ...common,
    PULUMI_BACKEND_URL: defaultBackend,
    // Reads the secrets provider from the state when the stack's file does not name it.
    PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true",
    ...passphrase(),
  };
}

function passphrase(): Environment {
  fs.mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  if (process.env.PULUMI_CONFIG_PASSPHRASE !== undefined || process.env.PULUMI_CONFIG_PASSPHRASE_FILE) return {};
  const file = path.join(stateDirectory, "passphrase");
  if (!fs.existsSync(file)) {
    // linkSync fails if the file exists, so two first starts at the same time agree on one passphrase.
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
