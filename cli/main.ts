import { HelpShown, npmName } from "../lib/commandLine";
import { say, UserError } from "../lib/run";

interface Command {
  /** One line on `npm run <command>`. */
  summary: string;
  /** Loads the command's module. A function, so that only the requested command is loaded. */
  load: () => Promise<{ run: (args: string[]) => Promise<number> }>;
}

/** Every npm script. A new one needs a line here and a line in package.json. */
const commands: Record<string, Command> = {
  start: { summary: "bring a stack up, or up to date", load: () => import("./start.js") },
  stop: { summary: "take a stack down", load: () => import("./stop.js") },
  status: { summary: "show clusters, links, mirrors and certificates", load: () => import("./status.js") },
  graph: { summary: "draw a running mesh as SVG and Mermaid", load: () => import("./graph.js") },
  view: { summary: "a web page that follows a running mesh", load: () => import("./view.js") },
  verify: { summary: "check a running mesh", load: () => import("./verify.js") },
  heal: { summary: "repair faults that no update sees", load: () => import("./heal.js") },
  drill: { summary: "break one thing, see who notices, restore it", load: () => import("./drill.js") },
  rebuild: { summary: "delete one cluster and create it again", load: () => import("./rebuild.js") },
  rotate: { summary: "renew certificates", load: () => import("./rotate.js") },
  contexts: { summary: "put contexts into your kubeconfig again", load: () => import("./contexts.js") },
  cache: { summary: "show or empty the image cache", load: () => import("./cache.js") },
  env: { summary: "print the environment for pulumi by hand", load: () => import("./env.js") },
  timeline: { summary: "show what the last update waited for", load: () => import("../timeline/main.js") },
  bench: { summary: "measure what a user waits for", load: () => import("../bench/main.js") },
  acceptance: { summary: "the whole life cycle on real clusters", load: () => import("../acceptance/main.js") },
  test: { summary: "check everything", load: () => import("./test.js") },
};

/**
 * Runs one command.
 *
 * @returns its exit code: 0 for success, 2 for refused input, else the exit code of the program that failed
 * @throws any unexpected error, so that Node.js prints its stack trace
 */
export async function main([name, ...words]: string[]): Promise<number> {
  const command = commands[name ?? ""];
  if (!command) {
    const isHelp = name === "--help" || name === "-h";
    if (!isHelp) say(`command is ${name ?? "missing"}; allowed:`);
    for (const [known, { summary }] of Object.entries(commands))
      say(`  ${npmName(known).replace(/ --$/, "").padEnd(22)} ${summary}`);
    return isHelp ? 0 : 2;
  }
  try {
    return await (await command.load()).run(words);
  } catch (error) {
    if (error instanceof HelpShown) return 0;
    if (!(error instanceof UserError)) throw error;
    say(error.message);
    return 2;
  }
}
