import { setTimeout as sleep } from "node:timers/promises";
import type { MeshStatus } from "../status/model";
import { ask } from "../verify/ask";
import { checks } from "../verify/allChecks";
import type { Check, Result } from "../verify/check";
import { TestNamespaces } from "../verify/testNamespaces";
import { Interrupted } from "../verify/watch";
import type { Place } from "./drill";
import type { No, Notice } from "./report";

/** Between two rounds of checks. They share the machine with the requests. */
const roundPauseMs = 2_000;

const statusPauseMs = 1_000;

/**
 * The checks that look at the mesh as it is. The other groups try something out, which takes a minute. `linkerd check`
 * takes seconds of the processor, which the requests then lack.
 */
const looking = checks.filter(
  ({ id, group }) => (group === "health" || group === "damage") && id !== "health.linkerd-check",
);

/** Makes namespaces and waits for mirrors, so it is asked only when everything is back. */
const trying = "damage.stalled";

/** What `verify` said, counted. */
export interface Answers {
  yes: number;
  no: No[];
}

const isNo = ({ answer }: Result): boolean => answer === "no";

function counted(results: readonly Result[]): Answers {
  return {
    yes: results.filter(({ answer }) => answer === "yes").length,
    no: results.filter(isNo).map(({ id, on, why }) => ({ id, on, why })),
  };
}

/**
 * Asks all checks once.
 *
 * @param told called with each answer as soon as it is known
 * @throws Interrupted when the signal ends it
 */
async function round(
  { stack, clusters }: Place,
  some: readonly Check[],
  signal: AbortSignal,
  told: (result: Result) => void = () => {},
): Promise<Answers> {
  const testNamespaces = new TestNamespaces(Object.values(clusters));
  const tell = ({ result }: { result: Result }) => told(result);
  try {
    const asked = await ask(some, { stack, clusters, external: new Set(), testNamespaces, signal, tell });
    return counted(asked.map(({ result }) => result));
  } finally {
    await testNamespaces.close();
  }
}

/** The checks while something is broken, and before. */
export const roundWhileBroken = (place: Place, signal: AbortSignal, told?: (result: Result) => void): Promise<Answers> =>
  round(place, looking.filter(({ id }) => id !== trying), signal, told); // prettier-ignore

/** The checks when everything should be back. */
export const roundAfterwards = (place: Place, signal: AbortSignal): Promise<Answers> => round(place, looking, signal);

/** Watches who notices a break: `status` each second, and `verify` round after round. */
export class Watchers {
  readonly notices: Notice[] = [];
  /** The last answer to each check. */
  private readonly answers = new Map<string, Result>();
  private readonly stopping = new AbortController();
  private readonly work: Promise<unknown>;
  private fault: { error: unknown } | undefined;
  private readonly began = performance.now();

  /**
   * @param known problems of the status before the break
   * @param onNotice called with each new notice
   */
  constructor(
    private readonly place: Place,
    private readonly status: () => Promise<MeshStatus>,
    private readonly known: ReadonlySet<string>,
    private readonly onNotice: (notice: Notice) => void,
  ) {
    // A fault of this program must not end it while something is broken.
    this.work = Promise.all([this.watchStatus(), this.watchChecks()]).catch(
      (error: unknown) => (this.fault = { error }),
    );
  }

  private notice(by: Notice["by"], key: string, what: string, seen: Set<string>): void {
    if (seen.has(key) || this.stopping.signal.aborted) return;
    seen.add(key);
    const notice = { by, what, after: Number(((performance.now() - this.began) / 1000).toFixed(1)) };
    this.notices.push(notice);
    this.onNotice(notice);
  }

  private async watchStatus(): Promise<void> {
    const seen = new Set(this.known);
    while (!this.stopping.signal.aborted) {
      for (const { what } of (await this.status()).problems) this.notice("status", what, what, seen);
      await this.pause(statusPauseMs);
    }
  }

  private async watchChecks(): Promise<void> {
    const seen = new Set<string>();
    while (!this.stopping.signal.aborted) {
      try {
        await roundWhileBroken(this.place, this.stopping.signal, (result) => {
          const { id, on, why } = result;
          this.answers.set(`${id} ${on}`, result);
          if (isNo(result)) this.notice("verify", `${id} ${on}`, `${id} (${on}): ${why}`, seen);
        });
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
      }
      await this.pause(roundPauseMs);
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }

  /** What `verify` said last to each check that it has asked. */
  said(): Answers {
    return counted([...this.answers.values()]);
  }

  /** Ends the watch at once. What is noticed during the restoration is its doing. */
  close(): void {
    this.stopping.abort();
  }

  /**
   * Ends the watch, and waits for requests in flight.
   *
   * @throws any error of this program that ended the watch
   */
  async stop(): Promise<void> {
    this.close();
    await this.work;
    if (this.fault) throw this.fault.error;
  }
}
