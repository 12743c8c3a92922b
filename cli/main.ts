import { say, UserError } from "./run";

interface Command {
  /** What `npm run <command>` does, in a line. */
  summary: string;
  /** Loads the module that does it; only the one that is asked for is loaded. */
  load: () => Promise<{ run: (args: string[]) => Promise<number> }>;
}

/** Every command of the wrapper. A new one is a line here and a script in package.json. */
const commands: Record<string, Command> = {
  start: {
    summary: "raise a stack: npm start [-- stack] [--runtime k3d|kwok|existing]",
    load: () => import("./start.js"),
  },
  stop: { summary: "take a stack down: npm stop [-- stack]", load: () => import("./stop.js") },
  verify: {
    summary: "answer the seed's How to test: npm run verify [-- stack] [options]",
    load: () => import("./verify.js"),
  },
  heal: { summary: "mend what verify found: npm run heal [-- stack] [--dry-run]", load: () => import("./heal.js") },
  rebuild: {
    summary: "one cluster anew: npm run rebuild -- <stack> <cluster>",
    load: () => import("./rebuild.js"),
  },
  contexts: {
    summary: "contexts into your kubeconfig again: npm run contexts [-- stack]",
    load: () => import("./contexts.js"),
  },
  rotate: {
    summary: "new certificates: npm run rotate -- issuers|anchor [stack]",
    load: () => import("./rotate.js"),
  },
  timeline: {
    summary: "what the last update waited for: npm run timeline [-- stack] [--out FILE.svg]",
    load: () => import("../timeline/main.js"),
  },
  bench: {
    summary: "what a user waits for, measured: npm run bench [-- options]",
    load: () => import("../bench/main.js"),
  },
  acceptance: {
    summary: "the whole life cycle on real clusters: npm run acceptance [-- stack] [options]",
    load: () => import("../acceptance/main.js"),
  },
  test: { summary: "check everything: npm test [-- lint|unit|engine|k3d ...]", load: () => import("./test.js") },
  env: { summary: 'type pulumi by hand: eval "$(npm run -s env [-- stack])"', load: () => import("./env.js") },
};

/** Runs one command and returns its exit code: 0 done, 2 asked for wrongly, else the code of what failed. */
export async function main([name, ...args]: string[]): Promise<number> {
  const command = commands[name ?? ""];
  if (!command) {
    say(`command is ${name ?? "missing"}; allowed:`);
    for (const [known, { summary }] of Object.entries(commands)) say(`  ${known.padEnd(10)} ${summary}`);
    return 2;
  }
  try {
    return await (await command.load()).run(args);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    say(error.message);
    return 2;
  }
}
