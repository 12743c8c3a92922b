import { realpath } from "node:fs/promises";
import { root } from "./paths";
import { isPortTaken } from "./ports";
import { endProcess, type OwnProcess, ownProcesses, workingDirectory } from "./processes";

/** Plugins and language hosts have their engine's address as last argument, the program as an option. */
const withEngine =
  /pulumi-(?:resource|language)-.* 127\.0\.0\.1:(\d+)$|@pulumi\/pulumi\/cmd\/run.* --engine 127\.0\.0\.1:(\d+)/;

const engine = /^\S*pulumi /;

/**
 * Ends plugins, language hosts and programs of this clone whose engine was killed. On their own they check for their
 * engine every five minutes (rpcutil.Healthcheck in pulumi/sdk), and a kubernetes provider waits for pending operations.
 *
 * The engine starts all of them in the project's directory. That tells them from those of other projects, also if the
 * engine was killed before this program ran, and at a destroy, which does not run it.
 *
 * An engine in a container does not answer here either. On Linux the plugins that it started are among this user's
 * processes: those that descend from an engine stay.
 */
export async function endOrphanedPlugins(): Promise<void> {
  const [all, project] = await Promise.all([ownProcesses(), realpath(root)]);
  for (const plugin of all) {
    const [, pluginsEngine, programsEngine] = withEngine.exec(plugin.command) ?? [];
    const port = Number(pluginsEngine ?? programsEngine);
    if (!port || descendsFromEngine(plugin, all) || (await isPortTaken(port))) continue;
    if ((await workingDirectory(plugin.pid)) === project) await endProcess(plugin.pid);
  }
}

function descendsFromEngine({ parent }: OwnProcess, all: OwnProcess[]): boolean {
  const above = all.find(({ pid }) => pid === parent);
  return above !== undefined && (engine.test(above.command) || descendsFromEngine(above, all));
}
