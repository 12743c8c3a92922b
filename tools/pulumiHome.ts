import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { cacheDirectory, stateDirectory } from "../lib/paths";
import { UserError } from "../lib/run";

const usersHome = path.join(os.homedir(), ".pulumi");

/** The home for users with neither a login nor PULUMI_HOME, shared by all clones. */
export const ownHome = path.join(cacheDirectory(), "pulumi-home");

/** The backend for users without a login. Absolute: pulumi resolves a relative one against its working directory. */
export const defaultBackend = `file://${stateDirectory}`;

/**
 * Whether the user chose a backend, by `pulumi login` or by the environment.
 *
 * @throws UserError when the credentials file cannot be read
 */
export function hasLogin(): boolean {
  const { PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN } = process.env;
  // After `eval "$(npm run -s env)"` the environment contains the default backend.
  if (PULUMI_BACKEND_URL) return PULUMI_BACKEND_URL !== defaultBackend;
  if (PULUMI_ACCESS_TOKEN) return true;
  const directory = process.env.PULUMI_CREDENTIALS_PATH || process.env.PULUMI_HOME || usersHome;
  return namesBackend(path.join(directory, "credentials.json"));
}

/**
 * Whether the engine's credentials file names a backend, by the engine's rules: sdk/go/common/workspace/creds.go.
 * Newer engines encrypt the file, and only after a login.
 */
function namesBackend(file: string): boolean {
  try {
    const text = fs.readFileSync(file, "utf8");
    if (text === "") return false;
    const credentials: unknown = JSON.parse(text);
    if (typeof credentials !== "object" || Array.isArray(credentials)) throw new Error("not a JSON object");
    const { current, $pulumiSecureStore: encrypted } = (credentials ?? {}) as Record<string, unknown>;
    return Boolean(current) || typeof encrypted === "number";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    // Taking the default backend would hide the stacks of the user's own one.
    throw new UserError(
      `your Pulumi credentials ${file} cannot be read: ${(error as Error).message}. ` +
        `Next: rm ${file}, and pulumi login if you use a backend of your own`,
    );
  }
}

/**
 * The directory of the engine's plugins and settings. Users with a login or with PULUMI_HOME keep their own.
 *
 * Everyone else gets this project's home. From 3.233 on the engine writes an encrypted log of every command to
 * `$PULUMI_HOME/logs`. The log takes most of a preview's time and has no switch, but the engine skips it if that name
 * is a file. To get the log, set PULUMI_HOME=~/.pulumi.
 */
export function pulumiHome(): string {
  if (process.env.PULUMI_HOME) return process.env.PULUMI_HOME;
  return hasLogin() ? usersHome : ownHome;
}

/** Creates this project's home if it is in use. Its `plugins` is a link to the user's plugins, where these exist. */
export function makePulumiHome(): void {
  if (pulumiHome() !== ownHome) return;
  fs.mkdirSync(ownHome, { recursive: true, mode: 0o700 });
  create(() => fs.writeFileSync(path.join(ownHome, "logs"), "", { flag: "wx" }));
  const plugins = path.join(usersHome, "plugins");
  if (fs.existsSync(plugins)) create(() => fs.symlinkSync(plugins, path.join(ownHome, "plugins")));
}

function create(make: () => void): void {
  try {
    make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
