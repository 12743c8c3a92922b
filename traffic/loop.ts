import { randomBytes } from "node:crypto";
import type { Client, Running } from "./client";
import { loadScript, parseClock, parseLine, type Request } from "./requests";

/** Hosts of one curl. It prints their lines in one piece if they fit into 4 KB; a host's name may have 200 characters. */
const hostsPerCurl = 16;

/** A request in flight takes three seconds at most. */
const stopSeconds = 15;

export interface LoopOptions {
  /** Time between two requests to a host, in seconds. Two decimals count. */
  interval: number;
  /** The loop ends by itself after this many seconds, even if this program was killed. */
  longest: number;
  /** Called with each line of the client, and with the request in it. A line without one is a clock or cannot be read. */
  onLine: (line: string, request: Request | undefined) => void;
}

/**
 * Requests to several hosts from one client, each at a fixed interval, until it is stopped.
 *
 * @example new Loop(client, ["web-west.shop.svc.east.test:80"], { interval: 0.1, longest: 600, onLine: console.log });
 */
export class Loop {
  /** Whether the connection to the client broke. */
  isLost = false;
  private readonly stopFile = `/tmp/stop-${randomBytes(3).toString("hex")}`;
  private readonly running: Running[];
  private stopping = false;

  constructor(
    readonly client: Client,
    hosts: readonly string[],
    { interval, longest, onLine }: LoopOptions,
  ) {
    const chunks = Array.from({ length: Math.ceil(hosts.length / hostsPerCurl) }, (_, i) =>
      hosts.slice(i * hostsPerCurl, (i + 1) * hostsPerCurl),
    );
    const pause = String(Math.round(interval * 100));
    this.running = chunks.map((some) => {
      const command = ["sh", "-c", loadScript, "sh", this.stopFile, String(longest), pause, ...some];
      const one = client.run(command, readLines(onLine));
      void one.ended.then(() => (this.isLost = !this.stopping));
      return one;
    });
  }

  /** Lets the loop finish its requests in flight, then ends it. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.client.run(["touch", this.stopFile], () => {}).ended;
    const late = setTimeout(() => this.running.forEach((one) => one.close()), stopSeconds * 1000);
    await Promise.all(this.running.map(({ ended }) => ended));
    clearTimeout(late);
  }
}

/** Takes text in pieces. The client's clock counts from the moment at which its first line arrives. */
function readLines(onLine: LoopOptions["onLine"]): (text: string) => void {
  let rest = "";
  let began = 0;
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const clock = parseClock(line);
      if (clock !== undefined) began = Date.now() / 1000 - clock;
      onLine(line, clock === undefined ? parseLine(line, began) : undefined);
    }
  };
}
