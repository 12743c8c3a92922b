import { outputOf, UserError } from "../lib/run";

/**
 * Runs docker and returns what it printed.
 *
 * @param timeout milliseconds after which docker is ended. Default: none
 * @throws UserError with its error output
 */
export async function docker(args: string[], timeout?: number): Promise<string> {
  try {
    return await outputOf("docker", args, {}, { signal: timeout === undefined ? undefined : AbortSignal.timeout(timeout) }); // prettier-ignore
  } catch (error) {
    const { code, stderr = "" } = (error as Error).cause as { code?: unknown; stderr?: string };
    if (code === "ENOENT") throw new UserError("docker is not on PATH. Next: install Docker");
    if (/cannot connect|failed to connect/i.test(stderr)) {
      throw new UserError("no Docker engine answers. Next: start Docker, or docker context ls");
    }
    // Then comes advice about docker's own help.
    const lines = stderr
      .trim()
      .split("\n")
      .filter((line) => !/^((Run|See) 'docker .*|)$/.test(line));
    const why = lines.at(-1) || `no answer within ${(timeout ?? 0) / 1000} s`;
    throw new UserError(`docker ${args[0]} ${args[1]} fails: ${why}`);
  }
}
