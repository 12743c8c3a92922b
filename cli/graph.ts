import { writeFile } from "node:fs/promises";
import { existingFile, newCommand, parse, takesStack, writableFile } from "../lib/commandLine";
import { say } from "../lib/run";
import { follow } from "../status/follow";
import { readStack } from "../verify/stack";
import { mermaid } from "../view/mermaid";
import { svg } from "../view/svg";
import { enterStack } from "./enterStack";

interface Options {
  svg?: string;
  mermaid?: string;
  outputs?: string;
}

/** `npm run graph [-- stack] [options]` */
export async function run(words: string[]): Promise<number> {
  const command = newCommand("graph", "Draw a running mesh, as SVG and Mermaid.", {
    "npm run graph -- dev": "writes dev.svg and dev.mmd",
    "npm run graph -- dev --svg docs/mesh.svg": "only the SVG, to this file",
  })
    .option("--svg <file>", "write the SVG to this file", writableFile)
    .option("--mermaid <file>", "write the Mermaid text to this file", writableFile)
    .option("--outputs <file>", "the stack's outputs: pulumi stack output --json --show-secrets", existingFile);
  const { args, options } = parse<Options>(takesStack(command), words);
  const stack = args[0] as string;
  await enterStack(stack, options.outputs);
  const status = await (await follow(await readStack(stack, options.outputs)))();
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
