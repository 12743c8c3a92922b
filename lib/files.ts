import { accessSync, constants, statSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";

/**
 * Writes a file that only its owner can read, whole or not at all. Call it under a lock: the next writer replaces a partial
 * file left by a killed one.
 */
export async function writePrivately(file: string, text: string): Promise<void> {
  await fs.mkdir(path.dirname(file), { recursive: true });
  const partial = `${file}.partial`;
  await fs.writeFile(partial, text, { mode: 0o600 });
  await fs.rename(partial, file);
}

export function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}

/** Whether a file is a program that this user may run. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The file that runs when a program is called by its name, or undefined. */
export async function whichProgram(program: string): Promise<string | undefined> {
  for (const directory of (process.env.PATH ?? "").split(path.delimiter)) {
    const file = path.join(directory, program);
    if (await exists(file)) return file;
  }
  return undefined;
}
