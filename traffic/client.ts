import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { curlImageOf } from "../lib/images";
import { client as kubernetes, found, reason, statusOf, type ClusterClient, type Pod } from "../verify/api";
import { isReady } from "../verify/pods";
import { runLabel } from "../verify/testNamespaces";
import { Deadline, Interrupted } from "../verify/watch";
import { failureOf, parseReply } from "./requests";

/** Enough for a restarting injector to answer again, and for an image to be pulled. */
const startSeconds = 180;

/** A request takes five seconds at most. Its connection counts as dead after this time. */
const requestSeconds = 15;

/** The members that are used. The client's own type comes from `ws`, which is not a dependency here. */
interface Socket {
  on(event: "close", listener: () => void): unknown;
  close(): void;
}

/** How a command ended, as the API server reports it. */
interface Status {
  status?: string;
  details?: { causes?: { reason?: string; message?: string }[] };
}

/** A command that runs in a pod. */
export interface Running {
  /** The exit code, or 255 if the connection ended without one. Never rejects. */
  ended: Promise<number>;
  close(): void;
}

/** The answer to one request. */
export interface Reply {
  /** Why this is no answer, or undefined when it is one. */
  fault?: string;
  body: string;
}

/** A meshed pod that sends requests. Nothing restarts it. */
export class Client {
  private constructor(
    readonly source: ClusterClient,
    readonly namespace: string,
    readonly pod: string,
  ) {}

  /**
   * Starts a pod and returns once it is ready, with its proxy.
   *
   * @param namespace created if it is missing
   * @throws Error when none is ready in time
   */
  static async start(source: ClusterClient, namespace: string, image: string, signal: AbortSignal): Promise<Client> {
    const deadline = new Deadline(startSeconds, signal);
    for (;;) {
      let why: string;
      const client = new Client(source, namespace, `client-${randomBytes(3).toString("hex")}`);
      try {
        await ensureNamespace(source, namespace);
        // While the injector restarts, this call fails or the pod gets no proxy. The webhook's failure policy decides.
        const pod = await source.core.createNamespacedPod({ namespace, body: podOf(client.pod, image) });
        if (hasProxy(pod)) {
          await client.ready(deadline);
          return client;
        }
        why = `the injector gave pod ${client.pod} no proxy`;
      } catch (error) {
        if (error instanceof Interrupted) throw error;
        why = reason(error);
      }
      await client.remove().catch(() => {}); // the end of the namespace removes it at the latest
      if (deadline.leftMs() === 0) throw new Error(`no meshed client starts in ${source.name}: ${why}`);
      await deadline.pause();
    }
  }

  private async ready(deadline: Deadline): Promise<void> {
    while (!isReady(await this.source.core.readNamespacedPod({ namespace: this.namespace, name: this.pod }))) {
      if (deadline.leftMs() === 0) throw new Error(`pod ${this.namespace}/${this.pod} is not ready`);
      await deadline.pause();
    }
  }

  async remove(): Promise<void> {
    await found(
      this.source.core.deleteNamespacedPod({ namespace: this.namespace, name: this.pod, gracePeriodSeconds: 0 }),
    );
  }

  /** Starts a command in the pod. */
  run(command: string[], onText: (text: string) => void): Running {
    let finish: (code: number) => void = () => {};
    const ended = new Promise<number>((resolve) => (finish = resolve));
    let close = () => finish(255);
    void this.connect(command, onText, finish).then(
      (socket) => {
        socket.on("close", () => finish(255));
        close = () => {
          finish(255);
          socket.close();
        };
      },
      () => finish(255),
    );
    return { ended, close: () => close() };
  }

  private async connect(
    command: string[],
    onText: (text: string) => void,
    finish: (code: number) => void,
  ): Promise<Socket> {
    const { Exec } = await kubernetes();
    const sink = (take: (text: string) => void) =>
      new Writable({
        write(chunk: Buffer, _, done): void {
          take(chunk.toString());
          done();
        },
      });
    const [out, err] = [sink(onText), sink(() => {})];
    const onStatus = ({ status, details }: Status) => {
      const cause = details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
      finish(status === "Success" ? 0 : Number(cause ?? 1));
    };
    const exec = new Exec(this.source.kube);
    return exec.exec(this.namespace, this.pod, "curl", command, out, err, null, false, onStatus) as Promise<Socket>;
  }

  /** Sends one request. Never rejects: an error becomes the reply's fault. */
  async ask(url: string): Promise<Reply> {
    let text = "";
    const running = this.run(["curl", "-s", "-i", "--max-time", "5", url], (more) => (text += more));
    const late = setTimeout(() => running.close(), requestSeconds * 1000);
    const exit = await running.ended;
    clearTimeout(late);
    if (exit === 255) return { fault: `pod ${this.pod} in ${this.source.name} runs no command`, body: "" };
    const { status, proxyError, body } = parseReply(text);
    const kind = failureOf({ status, exit, proxyError });
    return { ...(kind !== undefined && { fault: proxyError ? `${kind}: ${proxyError}` : kind }), body };
  }
}

/** One client per source cluster, started on first use. */
export class Clients {
  private readonly current = new Map<string, Client>();

  /** @param namespace of the clients. It is created, and belongs to them. Example: `mesh-drill` */
  constructor(
    private readonly namespace: string,
    private readonly signal: AbortSignal,
  ) {}

  async of(source: ClusterClient): Promise<Client> {
    const client = this.current.get(source.name) ?? (await this.start(source));
    this.current.set(source.name, client);
    return client;
  }

  async start(source: ClusterClient): Promise<Client> {
    return Client.start(source, this.namespace, await curlImageOf(source.core), this.signal);
  }

  /** Makes `of` return this client from now on. The caller removes the previous one. */
  use(client: Client): void {
    this.current.set(client.source.name, client);
  }

  /** Removes all clients from clusters that stay. */
  async close(): Promise<void> {
    for (const { source } of this.current.values()) await found(source.core.deleteNamespace({ name: this.namespace }));
    this.current.clear();
  }

  /** Drops all clients without removing them, because their clusters are about to be destroyed. */
  forget(): void {
    this.current.clear();
  }
}

async function ensureNamespace({ core }: ClusterClient, name: string): Promise<void> {
  // The label tells verify, heal and rotate to leave these pods alone.
  const labels = { [runLabel]: name };
  const body = { metadata: { name, labels, annotations: { "linkerd.io/inject": "enabled" } } };
  await core.createNamespace({ body }).catch((error: unknown) => {
    if (statusOf(error) !== 409) throw error;
  });
}

function podOf(name: string, image: string): Pod {
  const command = ["/bin/sleep", "86400"];
  return {
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "curl", image, command }] },
  };
}

function hasProxy({ spec }: Pod): boolean {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some(({ name }) => name === "linkerd-proxy");
}
