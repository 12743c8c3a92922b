import { setTimeout as sleep } from "node:timers/promises";
import type { EngineEvent } from "../eventLog";
import { say } from "../../lib/run";
import { WatchedCluster, whyNot } from "./cluster";
import { type Fault, FaultFinder } from "./faults";
import { type Workload, WorkloadsInFlight } from "./inFlight";
import type { Access } from "./kubeconfig";
import { describeFaults, nextCommands, type Report } from "./words";

/** When pods are checked, in seconds. */
const pace = {
  /** Workloads that are ready sooner are never checked. */
  after: 5,
  every: 3,
};

/**
 * Checks the pods that an update is waiting for, and reports why one of them will not become ready. The kubernetes
 * provider waits for ten minutes, and says little until then.
 */
export class PodWatch {
  private readonly inFlight = new WorkloadsInFlight();
  private readonly clusters = new Map<string, { access: Access; cluster: WatchedCluster }>();
  private readonly over = new AbortController();
  private readonly stop = new AbortController();
  /** Why the last check of a cluster's pods failed, by cluster. */
  private readonly blind = new Map<string, string>();
  private reports: Report[] = [];

  constructor(
    private readonly accessTo: (cluster: string) => Promise<Access>,
    private readonly finder = new FaultFinder(),
    private readonly seconds = pace,
  ) {}

  /** Fires when a fault is certain and has been reported: the update should stop. */
  get faultFound(): AbortSignal {
    return this.stop.signal;
  }

  /** Must be called with every event of the engine. */
  see(event: EngineEvent): void {
    this.inFlight.see(event, Date.now());
  }

  /** Checks repeatedly until a fault is found or `end` is called. */
  async run(): Promise<void> {
    for (;;) {
      await sleep(this.seconds.every * 1000, undefined, { signal: this.over.signal }).catch(() => {});
      if (this.over.signal.aborted) return;
      this.reports = await this.look();
      if (this.over.signal.aborted) return;
      if (this.reports.length === 0) continue;
      for (const line of describeFaults(this.reports)) say(line);
      say("\nPulumi would wait for ten minutes. Stopping it now; it writes its state first ...\n");
      this.stop.abort();
      return;
    }
  }

  /** Ends the watch when the update is over. */
  end(): void {
    this.over.abort();
  }

  /** The lines to print when the update has failed. */
  lastWords(): string[] {
    if (this.reports.length > 0) {
      // In a terminal, Pulumi's display has overwritten the first report.
      return [...(process.stderr.isTTY ? describeFaults(this.reports) : []), ...nextCommands(this.reports)];
    }
    return [...this.blind].map(([cluster, why]) => `The pods of cluster ${cluster} could not be checked: ${why}`);
  }

  private async look(): Promise<Report[]> {
    const waiting = this.waiting();
    const names = [...new Set(waiting.map(({ cluster }) => cluster))];
    const found = await Promise.all(
      names.map(async (name) => {
        try {
          return await this.lookAt(
            name,
            waiting.filter(({ cluster }) => cluster === name),
          );
        } catch (error) {
          this.note(name, whyNot(error));
          return [];
        }
      }),
    );
    // A workload that became ready meanwhile has no fault.
    const still = new Set(this.waiting());
    return found.flat().filter(({ workload }) => still.has(workload));
  }

  private waiting(): Workload[] {
    return this.inFlight.begunBy(Date.now() - this.seconds.after * 1000);
  }

  private async lookAt(name: string, workloads: Workload[]): Promise<Report[]> {
    const { access, cluster } = await this.connect(name);
    const pods = await cluster.podsOf(workloads);
    this.blind.delete(name);
    const faults = onePerReplica(pods.flatMap((one) => this.finder.judge(one.workload, one.pods, Date.now())));
    const { context } = cluster;
    const reports: Report[] = [];
    for (const fault of faults) {
      if (fault.problem === "scheduling" && (await this.mayBeScaledUp(name, cluster, fault))) continue;
      const logs = fault.problem === "crash" ? await cluster.logOf(fault) : { log: [], previous: false };
      reports.push({ ...fault, ...logs, context, file: access.file });
    }
    return reports;
  }

  /** Whether an autoscaler is creating a node for the pod. True also if that cannot be found out. */
  private async mayBeScaledUp(name: string, cluster: WatchedCluster, fault: Fault): Promise<boolean> {
    try {
      return await cluster.isScaledUp(fault);
    } catch (error) {
      this.note(name, `${fault.reason}; whether an autoscaler is creating a node is unknown: ${whyNot(error)}`);
      return true;
    }
  }

  private note(cluster: string, why: string): void {
    // The end of the update cuts off requests. Such a failure says nothing about the cluster.
    if (!this.over.signal.aborted) this.blind.set(cluster, why);
  }

  private async connect(name: string): Promise<{ access: Access; cluster: WatchedCluster }> {
    const known = this.clusters.get(name);
    if (known) return known;
    const access = await this.accessTo(name);
    const made = { access, cluster: await WatchedCluster.connect(access, this.over.signal) };
    this.clusters.set(name, made);
    return made;
  }
}

/** Keeps one fault per workload, problem and container: replicas have the same fault. */
function onePerReplica(faults: Fault[]): Fault[] {
  const keyOf = ({ workload: { kind, namespace, name }, problem, container }: Fault) =>
    [kind, namespace, name, problem, container].join(" ");
  return [...new Map(faults.reverse().map((fault) => [keyOf(fault), fault])).values()];
}
