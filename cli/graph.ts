import { writeFile } from "node:fs/promises";
import { newCommand, writableFile } from "../lib/commandLine";
import { say } from "../lib/run";
import { mermaid } from "../view/mermaid";
import { svg } from "../view/svg";
import { followStack } from "./followStack";

interface Options {
  svg?: string;
  mermaid?: string;
}

/** `npm run graph [-- stack] [options]` */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("graph", "Draw a running mesh, as SVG and Mermaid.", {
    "npm run graph -- dev": "writes dev.svg and dev.mmd",
    "npm run graph -- dev --svg docs/mesh.svg": "only the SVG, to this file",
  })
    .option("--svg <file>", "write the SVG to this file", writableFile)
    .option("--mermaid <file>", "write the Mermaid text to this file", writableFile);
  const { stack, options, ask } = await followStack<Options>(command, words);
  const status = await ask();
  const both = options.svg === undefined && options.mermaid === undefined;
  const files: [string | undefined, () => Promise<string> | string][] = [
    [options.svg ?? (both ? `${stack}.svg` : undefined), () => svg(status)],
    [options.mermaid ?? (both ? `${stack}.mmd` : undefined), () => mermaid(status)],
  ];
  for (const [file, draw] of files) {
    if (file === undefined) continue;
    await writeFile(file, await draw());
    say(`wrote ${file}`);
  }
  return 0;
}
