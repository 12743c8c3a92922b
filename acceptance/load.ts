import { setTimeout as sleep } from "node:timers/promises";
import { isRolledOut } from "../lib/rolledOut";
import { controlPlane, reason, type ClusterClient } from "../verify/api";
import type { Client, Clients } from "../traffic/client";
import { Loop } from "../traffic/loop";
import { parseClock, tally, type Request, type Tally } from "../traffic/requests";
import { loadTargets, type Mesh, type Target } from "./mesh";

/** components/linkerd.ts puts it on every pod that a rotation restarts. */
const trustAnnotation = "linkerd-multicluster-mesh/trust";

/** The loop ends by itself after this time, even if the acceptance was killed. */
const longestSeconds = 3600;

/** Between two requests to a name, in seconds. */
const interval = 0.5;

/** The result of a load. */
export interface LoadResult {
  /** By host. */
  requests: Record<string, { kind: Target["kind"] } & Tally>;
  /** How often a client was replaced because the control plane had new certificates. */
  clientsReplaced: number;
  /** How often the connection to a client broke. Requests at that moment are not counted. */
  clientsLost: number;
  /** Lines that could not be read. */
  unreadable: number;
  /** Every line, as the clients wrote them. */
  log: string;
}

/**
 * Sends requests from every source until it is stopped: to one pod of each StatefulSet by name, to all headless names,
 * and to all clusterIP mirrors. Each gets one request every half second.
 *
 * A client's proxy reads the trust roots once, when it starts. So each client is replaced whenever the control plane of
 * its cluster runs with new certificates, as a user's own workloads are. The new client sends before the old one stops.
 * The old one finishes its requests before its pod is removed. So no failed request is due to a client's end.
 */
export class Load {
  private constructor(
    private readonly targets: readonly Target[],
    private readonly sources: readonly SourceLoad[],
  ) {}

  static async start(mesh: Mesh, clients: Clients, all: readonly Target[]): Promise<Load> {
    const targets = loadTargets(all);
    const names = [...new Set(targets.map(({ link }) => link.source))];
    const sources = names.map(async (name) => {
      const source = mesh.clusters[name];
      if (!source) throw new Error(`a link names cluster ${name}, which the stack lacks`);
      const hosts = targets.filter(({ link }) => link.source === name).map(({ host }) => host);
      return new SourceLoad(source, clients, await clients.of(source), await trustOf(source), hosts);
    });
    return new Load(targets, await Promise.all(sources));
  }

  async stop(): Promise<LoadResult> {
    await Promise.all(this.sources.map((source) => source.stop()));
    const sum = (figure: (source: SourceLoad) => number) => this.sources.reduce((all, one) => all + figure(one), 0);
    const tallies = tally(this.sources.flatMap((source) => source.requests));
    const kinds = this.targets.map(({ host, kind }) => {
      return [host, { kind, ...(tallies[host] ?? { sent: 0, answered: 0, failed: {}, longestSilence: 0 }) }] as const;
    });
    return {
      requests: Object.fromEntries(kinds),
      clientsReplaced: sum(({ replaced }) => replaced),
      clientsLost: sum(({ lost }) => lost),
      unreadable: sum(({ unreadable }) => unreadable),
      log: this.sources.flatMap((source) => source.lines.map((line) => `${line}\n`)).join(""),
    };
  }
}

/**
 * Why a load fails its step, or undefined. A pod's own name may fail while that pod restarts. Other pods stand behind
 * the headless name and behind the mirror of a Deployment, so those may not fail.
 */
export function loadFault({ requests }: Pick<LoadResult, "requests">): string | undefined {
  const faults = Object.entries(requests).flatMap(([host, { kind, sent, answered, failed }]) => {
    if (answered === 0) return [`${host}: none of ${sent} requests was answered`];
    if (kind === "pod" || answered === sent) return [];
    const kinds = Object.entries(failed).map(([what, count]) => `${count} ${what}`);
    return [`${host} (${kind}): ${sent - answered} of ${sent} requests failed: ${kinds.join(", ")}`];
  });
  return faults.length > 0 ? faults.join("\n") : undefined;
}

class SourceLoad {
  readonly lines: string[] = [];
  readonly requests: Request[] = [];
  replaced = 0;
  unreadable = 0;
  lost = 0;
  private stopping = false;
  private loop: Loop;
  private readonly watching: Promise<void>;

  constructor(
    private readonly source: ClusterClient,
    private readonly clients: Clients,
    client: Client,
    private trust: string | undefined,
    private readonly hosts: readonly string[],
  ) {
    this.loop = this.ask(client);
    this.watching = this.watch();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.watching;
    await this.loop.stop();
  }

  private ask(client: Client): Loop {
    const onLine = (line: string, request: Request | undefined): void => {
      this.lines.push(line);
      if (request) this.requests.push(request);
      else if (parseClock(line) === undefined) this.unreadable += 1;
    };
    return new Loop(client, this.hosts, { interval, longest: longestSeconds, onLine });
  }

  private async watch(): Promise<void> {
    while (!this.stopping) {
      await sleep(1000);
      try {
        await this.followTrust();
      } catch (error) {
        // The API server may be away for a moment. The next round tries again.
        this.lines.push(`# ${this.source.name}: ${reason(error)}`);
      }
      if (this.loop.isLost && !this.stopping) {
        this.lost += 1;
        this.loop = this.ask(this.loop.client);
      }
    }
  }

  private async followTrust(): Promise<void> {
    const trust = await trustOf(this.source);
    if (trust === undefined || trust === this.trust) return;
    const next = await this.clients.start(this.source);
    const before = this.loop;
    this.loop = this.ask(next);
    this.clients.use(next);
    this.trust = trust;
    this.replaced += 1;
    await before.stop();
    await before.client.remove();
  }
}

/** The certificates that the whole control plane runs with, or undefined while it restarts. */
async function trustOf({ apps }: ClusterClient): Promise<string | undefined> {
  const { items } = await apps.listNamespacedDeployment({ namespace: controlPlane });
  const trusts = new Set(items.map(({ spec }) => spec?.template.metadata?.annotations?.[trustAnnotation]));
  return items.every(isRolledOut) && trusts.size === 1 ? [...trusts][0] : undefined;
}
