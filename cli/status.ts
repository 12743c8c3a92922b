import { setTimeout as sleep } from "node:timers/promises";
import { newCommand } from "../lib/commandLine";
import { painter } from "../lib/terminal";
import type { MeshStatus } from "../status/model";
import { statusText } from "../status/text";
import { followStack } from "./followStack";

interface Options {
  json?: boolean;
  watch?: boolean;
}

/** `npm run status [-- stack] [options]`. Exits with 1 if something is wrong. */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("status", "Show a running mesh: clusters, links, mirrors, certificates.", {
    "npm run status -- dev": "once; exits with 1 if something is wrong",
    "npm run status -- dev --watch": "again every two seconds, until Ctrl-C",
    "npm run -s status -- dev --json": "for programs; with --watch one line per change",
  })
    .option("--json", "print JSON")
    .option("--watch", "show it again every two seconds");
  const { options, ask } = await followStack<Options>(command, words);
  if (options.watch) return watch(ask, options);
  const status = await ask();
  console.log(options.json ? JSON.stringify(status, undefined, 2) : statusText(status, painter(process.stdout)));
  return status.problems.length > 0 ? 1 : 0;
}

/** Shows every change, until a signal ends the program. */
async function watch(ask: () => Promise<MeshStatus>, { json }: Options): Promise<never> {
  const paint = painter(process.stdout);
  for (let shown = ""; ; await sleep(2_000)) {
    const status = await ask();
    const text = json ? JSON.stringify(status) : statusText(status, paint);
    if (text === shown) continue;
    // At a terminal the new state takes the place of the old one.
    if (process.stdout.isTTY && !json) process.stdout.write("\x1b[2J\x1b[H");
    console.log(text);
    shown = text;
  }
}
