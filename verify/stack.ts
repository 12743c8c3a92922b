import { UserError } from "../lib/run";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { reason } from "./api";

/** A directed link: it lives in the source, mirrors the target's services, and is named after the target. */
export interface LinkName {
  source: string;
  target: string;
}

/** The stack's outputs, kubeconfigs included. */
export interface Stack {
  name: string;
  runtime: "k3d" | "kwok" | "existing";
  /** By name in the mesh. `apiServer` and `gateway` are the addresses the other clusters' pods use. */
  clusters: Record<string, { context: string; domain: string; gateway: string; apiServer: string }>;
  links: LinkName[];
  /** Requests to type. Older stacks lack them. */
  curl?: string[];
  /** Secret: never printed, and written only to files that only their owner can read. */
  kubeconfigs: Record<string, string>;
}

/** The names of the clusters that a cluster mirrors from. */
export function targetsOf({ links }: Stack, source: string): string[] {
  return links.filter((link) => link.source === source).map(({ target }) => target);
}

/**
 * Reads the outputs of a stack that is up.
 *
 * @param name the Pulumi stack. Example: `rehearsal`
 * @param from a file with the output of `pulumi stack output --json --show-secrets`, or `-` for standard input (secrets
 *   then never touch a disk). Default: Pulumi is asked
 * @throws UserError when there is no such stack, or it is not up
 */
export async function readStack(name: string, from?: string): Promise<Stack> {
  const json =
    from === "-" ? await text(process.stdin) : from !== undefined ? await readFile(from, "utf8") : await ask(name);
  return parseStack(name, json);
}

async function ask(name: string): Promise<string> {
  const args = ["stack", "output", "--json", "--show-secrets", "--stack", name];
  try {
    return (await promisify(execFile)("pulumi", args, { maxBuffer: 64 << 20 })).stdout;
  } catch (error) {
    // Never print stdout: it may hold half of the secrets. The message names the command line and the cause.
    const said = (error as { stderr?: string }).stderr?.trim() || reason(error);
    throw new UserError(`the outputs of stack ${name} cannot be read: ${said}. Next: npm start -- ${name}`);
  }
}

/** Parses and checks the outputs. A stack without all of them is not up, or another program's. */
export function parseStack(name: string, json: string): Stack {
  let outputs: Partial<Stack>;
  try {
    outputs = JSON.parse(json) as Partial<Stack>;
  } catch {
    throw new UserError(`the outputs of stack ${name} are not JSON. Next: pulumi stack output --json --show-secrets`);
  }
  const { runtime, clusters, links, kubeconfigs, curl } = outputs;
  if (!runtime || !clusters || !links || !kubeconfigs) {
    const why = "it was never brought up, its first update did not finish, or it was taken down";
    throw new UserError(`stack ${name} is not up: ${why}. Next: npm start -- ${name}`);
  }
  for (const { source, target } of links) {
    for (const end of [source, target]) {
      if (!clusters[end] || !kubeconfigs[end]) {
        throw new UserError(`stack ${name}: link ${source}->${target} names cluster ${end}, which has no kubeconfig`);
      }
    }
  }
  return { name, runtime, clusters, links, kubeconfigs, curl };
}
