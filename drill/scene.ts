import { UserError } from "../lib/run";
import { painter } from "../lib/terminal";
import type { MeshStatus } from "../status/model";
import { failureOf } from "../traffic/requests";
import { reason } from "../verify/api";
import type { Drill, Place } from "./drill";
import { Live, picture } from "./live";
import { forget } from "./record";
import { nameReports, shortened, shownNotices, type DrillReport } from "./report";
import type { Traffic } from "./traffic";
import { Watchers, type Answers } from "./watchers";

/** The mesh is back after this long without a failure. Headless names were seen to fail half a minute after a start. */
export const steadySeconds = 30;

/** What is seen of one drill while it runs. */
export class Scene {
  private readonly live: Live;
  private doing = "";
  private broken = now();
  private restored = 0;
  private watchers: Watchers | undefined;
  private failures: FailureLines | undefined;
  /** When the restoration began, in seconds since 1970. */
  restoring = 0;

  constructor(
    private readonly traffic: Traffic,
    private readonly place: Place,
    private readonly drill: Drill,
  ) {
    const phase = () => `  ${(now() - this.broken).toFixed(0).padStart(3)} s: ${this.doing}`;
    this.live = new Live(process.stderr, () => [phase(), ...picture(traffic, now(), painter(process.stderr))]);
  }

  tell(text: string): void {
    this.live.line(`${(now() - this.broken).toFixed(1).padStart(6)} s  ${text}`);
  }

  /** Call it right before the break. */
  begin(status: () => Promise<MeshStatus>, known: ReadonlySet<string>): void {
    this.broken = now();
    this.doing = this.drill.breaks(this.place);
    this.tell(`broken: ${this.doing}`);
    this.failures = new FailureLines(this.traffic, this.broken, (text) => this.tell(text));
    this.watchers = new Watchers(this.place, status, known, (notice) => {
      const of = (this.watchers?.notices ?? []).filter(({ by }) => by === notice.by);
      if (of.length <= shownNotices) this.tell(`${notice.by} noticed: ${shortened(notice.what)}`);
      else if (of.length === shownNotices + 1) this.tell(`${notice.by} notices more ...`);
    });
  }

  /** @throws UserError when it cannot be restored; the record stays */
  async restore(state: object): Promise<void> {
    const { stack } = this.place;
    this.restoring = now();
    this.doing = "restoring";
    this.tell("restoring ...");
    this.watchers?.close();
    try {
      await this.drill.restore(this.place, state);
    } catch (error) {
      throw new UserError(
        `what drill ${this.drill.id} broke is not restored: ${reason(error)}. Next: npm run heal -- ${stack.name}`,
        { cause: error },
      );
    }
    await forget(stack.name);
    this.restored = now();
    this.tell("restored");
    this.doing = `waiting until every name answers for ${steadySeconds} s and verify says yes`;
    await this.watchers?.stop();
  }

  /** Removes the picture, before something else prints. */
  hide(): void {
    this.live.end();
  }

  async end(): Promise<void> {
    this.hide();
    this.failures?.stop();
    await this.watchers?.stop();
  }

  report({ round, allYesAfter, healed }: Back): DrillReport {
    const { drill, place, traffic, broken, restoring, restored } = this;
    return {
      drill: drill.id,
      link: { source: place.source.name, target: place.target.name },
      breaks: drill.breaks(place),
      operator: drill.operator(place),
      at: new Date(broken * 1000).toISOString(),
      seconds: tenths(restoring - broken),
      restoreSeconds: tenths(restored - restoring),
      names: nameReports(traffic.names, traffic.requests, { broken, end: now() }),
      connectionsLost: traffic.lost,
      notices: this.watchers?.notices ?? [],
      verifyBroken: this.watchers?.said() ?? { yes: 0, no: [] },
      verifyAfter: round,
      ...(allYesAfter !== undefined && { allYesAfter }),
      healed,
    };
  }
}

/** The mesh after a restoration. */
export interface Back {
  round: Answers;
  allYesAfter?: number;
  healed: boolean;
}

/** Tells when a name begins to fail, and when it answers again. */
class FailureLines {
  private seen: number;
  private readonly failing = new Set<string>();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly traffic: Traffic,
    private readonly began: number,
    private readonly tell: (text: string) => void,
  ) {
    this.seen = traffic.requests.length;
    this.timer = setInterval(() => this.look(), 250);
  }

  private look(): void {
    const fresh = this.traffic.requests.slice(this.seen).filter(({ at }) => at >= this.began);
    this.seen = this.traffic.requests.length;
    for (const { host } of this.traffic.names) {
      const last = fresh.filter((request) => request.host === host).at(-1);
      if (!last) continue;
      const failure = failureOf(last);
      if (failure !== undefined && !this.failing.has(host)) this.tell(`× ${host}: ${failure}`);
      if (failure === undefined && this.failing.has(host)) this.tell(`√ ${host} answers again`);
      if (failure === undefined) this.failing.delete(host);
      else this.failing.add(host);
    }
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/** Seconds since 1970. */
export const now = (): number => Date.now() / 1000;
export const tenths = (seconds: number): number => Number(seconds.toFixed(1));
