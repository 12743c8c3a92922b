import { setTimeout as sleep } from "node:timers/promises";
import type { MeshStatus } from "../status/model";
import { Clients } from "../traffic/client";
import { Loop } from "../traffic/loop";
import { failureOf, type Request } from "../traffic/requests";
import type { ClusterClient } from "../verify/api";
import type { Place } from "./drill";

/** Between two requests to a name, in seconds. */
export const interval = 0.1;

/** Of the clients that ask. It exists during a drill only. */
export const clientNamespace = "mesh-drill";

/** A client that is left by a kill stops after this time, in seconds: longer than any drill. */
const longestSeconds = 1800;

/** A name that can be asked in a cluster. */
export interface Name {
  /** The cluster that asks. */
  source: string;
  /** Example: `nginx-set-0.nginx-svc-west.default.svc.east.cluster.local:80` */
  host: string;
}

/**
 * Every mirrored name, in all modes. The target of the drill does not ask: the fault is there, and with it the client
 * would be gone.
 */
export function namesOf({ services }: MeshStatus, target: string): Name[] {
  const all = services.flatMap(({ mirrors, ports }) =>
    mirrors
      .filter(({ state, source }) => state === "exists" && source !== target && ports.length > 0)
      .map(({ source, host }): Name => ({ source, host })),
  );
  // The members of a federated service share one mirror.
  return [...new Map(all.map((name) => [`${name.source} ${name.host}`, name])).values()];
}

/** The refusal of a drill while names do not answer: why that may be, and what to do next. */
export function noAnswer(names: readonly Name[], { stack, target }: Pick<Place, "stack" | "target">): string {
  const hosts = names.map(({ source, host }) => `${source}: ${host}`).join(", ");
  const kinds = "servers.policy.linkerd.io,authorizationpolicies.policy.linkerd.io";
  return [
    `before anything is broken, these names do not answer the drill's client: ${hosts}.`,
    "The stack's own policy, a Server or an AuthorizationPolicy, may refuse this client.",
    `The server sees ServiceAccount default of namespace ${clientNamespace}, or the gateway for requests through it.`,
    `Next: npm run verify -- ${stack.name}. If it says yes to everything: kubectl --context ${target.context}`,
    `get ${kinds} -A; admit the client, or drill a stack without the policy`,
  ].join(" ");
}

/** Requests to every name, ten times per second. */
export class Traffic {
  readonly requests: Request[] = [];
  /** How often the connection to a client broke. Requests at that moment are not counted. */
  lost = 0;
  private readonly lastAnswer = new Map<string, number>();
  private readonly lastFailure = new Map<string, number>();
  private loops: { loop: Loop; hosts: string[] }[] = [];
  private stopping = false;
  private readonly watching: Promise<void>;

  private constructor(
    readonly names: readonly Name[],
    private readonly clients: Clients,
  ) {
    this.watching = this.watch();
  }

  /** @throws Error when a client does not start */
  static async start(
    names: readonly Name[],
    clusters: Record<string, ClusterClient>,
    signal: AbortSignal,
  ): Promise<Traffic> {
    const traffic = new Traffic(names, new Clients(clientNamespace, signal));
    try {
      for (const source of new Set(names.map((name) => name.source))) {
        const cluster = clusters[source];
        if (!cluster) throw new Error(`a mirror names cluster ${source}, which the stack lacks`);
        const hosts = names.filter((name) => name.source === source).map(({ host }) => host);
        traffic.loops.push({ loop: traffic.ask(await traffic.clients.of(cluster), hosts), hosts });
      }
      return traffic;
    } catch (error) {
      await traffic.stop();
      throw error;
    }
  }

  private ask(client: Loop["client"], hosts: string[]): Loop {
    const onLine = (_: string, request: Request | undefined): void => {
      if (!request) return;
      this.requests.push(request);
      const last = failureOf(request) === undefined ? this.lastAnswer : this.lastFailure;
      last.set(request.host, Math.max(request.at, last.get(request.host) ?? 0));
    };
    return new Loop(client, hosts, { interval, longest: longestSeconds, onLine });
  }

  private async watch(): Promise<void> {
    while (!this.stopping) {
      await sleep(1000);
      for (const [i, { loop, hosts }] of this.loops.entries()) {
        if (!loop.isLost || this.stopping) continue;
        this.lost += 1;
        this.loops[i] = { loop: this.ask(loop.client, hosts), hosts };
      }
    }
  }

  /**
   * Names that failed, or were not asked successfully, in the last seconds.
   *
   * @param seconds how long a name must have answered without a failure
   */
  unsteady(seconds: number, now = Date.now() / 1000): Name[] {
    return this.names.filter(({ host }) => {
      const isAnswered = now - (this.lastAnswer.get(host) ?? 0) < 5;
      return !isAnswered || now - (this.lastFailure.get(host) ?? 0) < seconds;
    });
  }

  /** Ends the requests and removes the clients. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.watching;
    await Promise.all(this.loops.map(({ loop }) => loop.stop()));
    await this.clients.close();
  }
}
