import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Interrupted } from "../verify/watch";
import type { Clients, Reply } from "../traffic/client";
import type { Context } from "./context";
import { targetsWithPods, type Mesh, type Target } from "./mesh";
import { StepFailed, type Figures } from "./runner";

interface Asked extends Reply {
  target: Target;
  /** Part of the request, so that the log of the answering pod shows it. */
  mark: string;
}

/** Asks every target once, side by side, from the client of its source. */
async function askAll(mesh: Mesh, clients: Clients, targets: readonly Target[]): Promise<Asked[]> {
  return Promise.all(
    targets.map(async (target): Promise<Asked> => {
      const mark = randomBytes(6).toString("hex");
      const source = mesh.clusters[target.link.source];
      if (!source) throw new Error(`a link names cluster ${target.link.source}, which the stack lacks`);
      const client = await clients.of(source);
      return { target, mark, ...(await client.ask(`http://${target.host}/?acceptance=${mark}`)) };
    }),
  );
}

const faultsOf = (asked: readonly Asked[]): string[] =>
  asked.flatMap(({ target, fault }) => (fault === undefined ? [] : [`${target.host}: ${fault}`]));

/**
 * Asks all targets again and again until all answer in one round.
 *
 * @returns the answers of that round
 * @throws StepFailed naming the targets that do not answer in time
 */
async function untilAllAnswer(
  { clients, signal }: Context,
  mesh: Mesh,
  targets: readonly Target[],
  seconds: number,
): Promise<Asked[]> {
  for (const end = Date.now() + seconds * 1000; ;) {
    const asked = await askAll(mesh, clients, targets);
    const faults = faultsOf(asked);
    if (faults.length === 0) return asked;
    if (Date.now() > end) throw new StepFailed(`no answer within ${seconds} s:\n${faults.join("\n")}`);
    await pause(signal);
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await sleep(1000, undefined, { signal }).catch(() => {
    throw new Interrupted();
  });
}

/**
 * Asks for every pod of every exported StatefulSet by name, for the headless names, and for every other mirror.
 *
 * @param only selects some of these
 * @throws StepFailed when a name does not answer within half a minute, or when another pod answers
 */
export async function askEveryName(
  context: Context,
  figures: Figures,
  only: (target: Target) => boolean = () => true,
): Promise<void> {
  const mesh = await context.mesh();
  const asked = await askNames(context, figures, (await targetsWithPods(mesh)).filter(only));
  const answers = await Promise.all(asked.map((one) => answererOf(mesh, one)));
  const byName = answers.filter(({ target }) => target.kind === "pod");
  const proven = byName.filter(({ pod }) => pod !== undefined);
  figures["pods that a log or the page proves to have answered"] = `${proven.length} of ${byName.length}`;
  const wrong = answers.filter(({ target, pod }) => pod !== undefined && !target.pods.includes(pod));
  if (wrong.length === 0) return;
  throw new StepFailed(wrong.map(({ target, pod }) => `${target.host} was answered by pod ${pod}`).join("\n"));
}

/**
 * Asks for these names.
 *
 * @throws StepFailed when one does not answer within half a minute
 */
export async function askNames(context: Context, figures: Figures, targets: readonly Target[]): Promise<Asked[]> {
  const mesh = await context.mesh();
  for (const { link } of targets) {
    const source = mesh.clusters[link.source];
    if (source) await context.clients.of(source);
  }
  const began = Date.now();
  figures.names = targets.length;
  const asked = await untilAllAnswer(context, mesh, targets, 30);
  figures["all answered after, s"] = secondsSince(began);
  return asked;
}

/** Which pod answered, if a log or the page tells. It searches all pods of the set, so that it finds a wrong one. */
async function answererOf(mesh: Mesh, { target, mark, body }: Asked): Promise<{ target: Target; pod?: string }> {
  const { link, namespace, set } = target;
  const cluster = mesh.clusters[link.target];
  if (!cluster || set === undefined) return { target };
  const { items } = await cluster.core.listNamespacedPod({ namespace });
  const pods = items.filter(({ metadata }) => metadata?.ownerReferences?.some(({ name }) => name === set));
  const logs = pods.map(async ({ metadata, spec }) => {
    const name = metadata?.name ?? "";
    const container = spec?.containers.find((one) => one.name !== "linkerd-proxy")?.name;
    const request = { namespace, name, container, sinceSeconds: 120 };
    // A log that cannot be read proves nothing.
    return [name, String(await cluster.core.readNamespacedPodLog(request).catch(() => ""))] as const;
  });
  return { target, pod: whoAnswered(mark, body, Object.fromEntries(await Promise.all(logs))) };
}

/**
 * Which pod answered, if it can be told: the pod whose log has the request's mark, or else the pod whose name is in the
 * page. The standard nginx image writes the log, but its page names no pod.
 *
 * @param logs the log of each pod that may have answered
 */
export function whoAnswered(mark: string, body: string, logs: Record<string, string>): string | undefined {
  const logged = Object.entries(logs).find(([, log]) => log.includes(mark))?.[0];
  return logged ?? Object.keys(logs).find((pod) => new RegExp(`\\b${pod}\\b`).test(body));
}

export const secondsSince = (began: number): number => Number(((Date.now() - began) / 1000).toFixed(1));

/** The mesh counts as steady after this long without a failure. Headless names were seen to fail half a minute late. */
const steadySeconds = 30;

/** Asks for every name each second while other work goes on, and records the last failure. */
export class Prober {
  private readonly began = Date.now();
  private lastFailure = this.began;
  private faults: string[] = [];
  private stopped = false;
  private readonly loop: Promise<void>;

  private constructor(
    private readonly context: Context,
    private readonly mesh: Mesh,
    private readonly targets: readonly Target[],
  ) {
    this.loop = this.run();
  }

  /** @param targets collected before the fault, because a cluster that is down cannot list them */
  static start(context: Context, mesh: Mesh, targets: readonly Target[]): Prober {
    return new Prober(context, mesh, targets);
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        this.faults = faultsOf(await askAll(this.mesh, this.context.clients, this.targets));
      } catch (error) {
        this.faults = [String(error)];
      }
      if (this.faults.length > 0) this.lastFailure = Date.now();
      await sleep(1000);
    }
  }

  /**
   * Waits until no name has failed for half a minute.
   *
   * @returns seconds from the start to the last failure
   * @throws StepFailed naming the failures that are left at the deadline
   */
  async untilSteady(seconds: number): Promise<number> {
    const end = Date.now() + seconds * 1000;
    while (Date.now() - this.lastFailure < steadySeconds * 1000) {
      if (Date.now() > end) throw new StepFailed(`still failing after ${seconds} s:\n${this.faults.join("\n")}`);
      await pause(this.context.signal);
    }
    return Number(((this.lastFailure - this.began) / 1000).toFixed(1));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.loop;
  }
}
