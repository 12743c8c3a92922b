/** How the k3d tests run commands on this machine. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** @returns what the command printed on standard output */
export async function run(command: string, ...args: string[]): Promise<string> {
  return (await execute(command, args)).stdout;
}
