import { newCommand, wholeNumber } from "../lib/commandLine";
import { say, UserError } from "../lib/run";
import { serve } from "../view/server";
import { followStack } from "./followStack";

/** `npm run view [-- stack] [options]`. Serves until a signal ends it. */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("view", "Serve a web page that follows a running mesh, on this machine only.", {
    "npm run view -- dev": "prints the page's address, and serves until Ctrl-C",
    "npm run view -- dev --port 8300": "at http://127.0.0.1:8300",
  }).option("--port <port>", "a port of 127.0.0.1; default: any free one", wholeNumber(1, 65_535));
  const { stack, options, ask } = await followStack<{ port?: number }>(command, words);
  const { server, url } = await serve(ask, options.port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    throw new UserError(`port ${options.port} is taken. Next: npm run view -- ${stack}, which takes a free one`);
  });
  say(`${url} follows stack ${stack}. Ctrl-C ends it.`);
  await new Promise((ended) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, ended);
  });
  server.closeAllConnections();
  server.close();
  return 0;
}
