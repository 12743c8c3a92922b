import { answers } from "./check";
import { endProcess, type OwnProcess, ownProcesses } from "./run";

/** Plugins and language hosts have their engine's address as last argument, the program as an option. */
const withEngine =
  /pulumi-(?:resource|language)-.* 127\.0\.0\.1:(\d+)$|@pulumi\/pulumi\/cmd\/run.* --engine 127\.0\.0\.1:(\d+)/;

const engine = /^\S*pulumi /;

/**
 * Ends plugins, language hosts and programs of this user whose engine was killed. By themselves they look for it every five
 * minutes (rpcutil.Healthcheck in pulumi/sdk), and a kubernetes provider then still waits for what it had begun.
 *
 * An engine in a container does not answer here either, while the plugins it started are among this user's processes on
 * Linux: those that descend from an engine stay.
 */
export async function endPluginsWithoutEngine(): Promise<void> {
  const all = await ownProcesses();
  for (const plugin of all) {
    const [, pluginsEngine, programsEngine] = withEngine.exec(plugin.command) ?? [];
    const port = Number(pluginsEngine ?? programsEngine);
    if (port && !descendsFromEngine(plugin, all) && !(await answers(port))) await endProcess(plugin.pid);
  }
}

function descendsFromEngine({ parent }: OwnProcess, all: OwnProcess[]): boolean {
  const above = all.find(({ pid }) => pid === parent);
  return above !== undefined && (engine.test(above.command) || descendsFromEngine(above, all));
}
