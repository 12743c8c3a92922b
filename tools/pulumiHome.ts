import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { cacheDirectory, stateDirectory } from "../lib/paths";

const usersHome = path.join(os.homedir(), ".pulumi");

/** The home of those who have neither a login nor PULUMI_HOME, shared by all clones. */
export const ownHome = path.join(cacheDirectory(), "pulumi-home");

/** The backend of whoever has no login. Absolute: a relative one is resolved against where pulumi happens to be started. */
export const defaultBackend = `file://${stateDirectory}`;

/** Whether the user told pulumi where state is: by `pulumi login`, or by the environment. */
export function hasLogin(): boolean {
  const { PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN } = process.env;
  // A shell that evaluated `npm run -s env` has the default one in its environment.
  if (PULUMI_BACKEND_URL) return PULUMI_BACKEND_URL !== defaultBackend;
  if (PULUMI_ACCESS_TOKEN) return true;
  const directory = process.env.PULUMI_CREDENTIALS_PATH || process.env.PULUMI_HOME || usersHome;
  let text: string;
  try {
    text = fs.readFileSync(path.join(directory, "credentials.json"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  return Boolean((JSON.parse(text) as { current?: string }).current);
}

/**
 * Where the engine keeps its plugins and settings. Whoever has a login or sets PULUMI_HOME keeps the usual one.
 *
 * Anyone else gets one of this project's. From 3.233 on the engine writes an encrypted log of every command to
 * `$PULUMI_HOME/logs`, which takes most of a preview's time and has no switch; it goes without where that name is a file.
 * To have the log, set PULUMI_HOME=~/.pulumi.
 */
export function pulumiHome(): string {
  if (process.env.PULUMI_HOME) return process.env.PULUMI_HOME;
  return hasLogin() ? usersHome : ownHome;
}

/** Makes the home when it is this project's. Plugins that the user has are found in it, and new ones go to the user's. */
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
