import { Writable } from "node:stream";
import { client, reason, type ClusterClient } from "./api";
import type { TestNamespace } from "./testNamespaces";
import { Interrupted, type Deadline } from "./watch";

/** curl ends by itself within the deadline. Its connection counts as dead after this much more time. */
const graceMs = 15_000;

/** Header of the proxy's own answer when it reaches nobody: linkerd2-proxy, app/core/src/errors/respond.rs. */
const proxyError = "l5d-proxy-error";

/** Above any exit code. */
const notRun = 256;

export interface Reply {
  /** curl's exit code. */
  code: number;
  /** Response headers and curl's own messages. */
  text: string;
}

/** Runs a command in a pod and returns its exit code and everything it wrote. */
export async function execute(
  cluster: ClusterClient,
  namespace: string,
  pod: string,
  command: string[],
  deadline: Deadline,
): Promise<Reply> {
  const { Exec } = await client();
  const chunks: string[] = [];
  const sink = (): Writable =>
    new Writable({
      write(chunk: Buffer, _, done): void {
        chunks.push(chunk.toString());
        done();
      },
    });
  let clear = (): void => {};
  const ended = new Promise<Reply>((resolve, reject) => {
    const interrupt = (): void => reject(new Interrupted());
    const late = setTimeout(
      () => reject(new Error(`${command[0]} in ${pod} did not end in time`)),
      deadline.leftMs() + graceMs,
    );
    deadline.signal.addEventListener("abort", interrupt, { once: true });
    if (deadline.signal.aborted) interrupt();
    clear = () => {
      clearTimeout(late);
      deadline.signal.removeEventListener("abort", interrupt);
    };
    const finish = (code: number, words = ""): void => resolve({ code, text: chunks.join("") + words });
    new Exec(cluster.kube)
      .exec(namespace, pod, "curl", command, sink(), sink(), null, false, (status) => {
        if (status.status === "Success") return finish(0);
        const cause = status.details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
        // Without an exit code the command never ran, and only the status says why.
        if (cause === undefined) finish(notRun, `\n${status.message ?? "no reason given"}`);
        else finish(Number(cause));
      })
      .then(
        // A connection that ends without a status: the pod is gone. The client's own type comes from `ws`, which is not
        // a dependency here.
        (socket: { on(event: "close", listener: () => void): unknown }) =>
          socket.on("close", () => finish(notRun, `\nthe connection to ${pod} ended without an answer`)),
        (error: unknown) => reject(new Error(`${pod} cannot be reached: ${reason(error)}`)),
      );
  });
  return ended.finally(() => clear());
}

/** Why the asked service did not answer, or undefined. */
export function replyFault(url: string, { code, text }: Reply): string | undefined {
  const header = text.split("\n").find((line) => line.toLowerCase().startsWith(`${proxyError}:`));
  if (header) return `${url}: the proxy answered for it: ${header.trim()}`;
  const status = /^HTTP\/\S+ (\d+)/m.exec(text)?.[1];
  const lastWords = text.trim().split("\n").at(-1) ?? "";
  if (code === notRun) return `${url}: curl gave no exit code: ${lastWords}`;
  if (code !== 0 || status === undefined) return `${url}: curl ended with ${code}: ${lastWords}`;
  return Number(status) < 500 ? undefined : `${url}: HTTP ${status}`;
}

/** Lets curl retry within the deadline: a new name takes a moment to reach the cluster's DNS. */
export async function curl(
  testNamespace: TestNamespace,
  pod: string,
  url: string,
  deadline: Deadline,
): Promise<string | undefined> {
  const seconds = String(Math.max(1, Math.floor(deadline.leftMs() / 1000)));
  const retry = ["--retry", "20", "--retry-all-errors", "--retry-delay", "1", "--retry-max-time", seconds];
  const command = ["curl", "-sS", "-o", "/dev/null", "-D", "-", "--max-time", "10", ...retry, url];
  return replyFault(url, await execute(testNamespace.source, testNamespace.namespace, pod, command, deadline));
}
