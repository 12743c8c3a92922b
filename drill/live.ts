import { columns, type Paint } from "../lib/terminal";
import { failureOf } from "../traffic/requests";
import { shortHost } from "./report";
import type { Traffic } from "./traffic";

/** How many of the last seconds the picture shows. */
const shownSeconds = 30;

interface Stream {
  isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * Shows what happens. At a terminal, a picture of the last seconds follows below the lines, and is drawn anew twice per
 * second. Elsewhere only the lines are printed.
 */
export class Live {
  private drawn = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: Stream,
    private readonly picture: () => string[],
  ) {
    if (stream.isTTY) this.timer = setInterval(() => this.draw(), 500);
  }

  /** Prints one line above the picture. */
  line(text: string): void {
    this.erase();
    this.stream.write(`${text}\n`);
    if (this.timer) this.draw();
  }

  private draw(): void {
    this.erase();
    const lines = this.picture();
    for (const line of lines) this.stream.write(`${line}\n`);
    this.drawn = lines.length;
  }

  private erase(): void {
    if (this.drawn > 0) this.stream.write(`\x1b[${this.drawn}A\x1b[J`);
    this.drawn = 0;
  }

  /** Removes the picture. Lines can still be printed. */
  end(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.erase();
  }
}

/**
 * One row per name with a sign for each of the last seconds: all answered, some lost, all lost, or none asked.
 *
 * @param now in seconds since 1970
 */
export function picture({ names, requests }: Pick<Traffic, "names" | "requests">, now: number, paint: Paint): string[] {
  const from = now - shownSeconds;
  const recent = requests.filter(({ at }) => at >= from);
  return columns(
    names.map(({ source, host }) => {
      const seconds = Array.from({ length: shownSeconds }, () => ({ sent: 0, lost: 0 }));
      for (const request of recent) {
        const second = request.host === host ? seconds[Math.floor(request.at - from)] : undefined;
        if (!second) continue;
        second.sent += 1;
        if (failureOf(request) !== undefined) second.lost += 1;
      }
      const signs = seconds.map(({ sent, lost }) => {
        if (sent === 0) return " ";
        if (lost === 0) return paint("green", "█");
        return lost < sent ? paint("yellow", "▄") : paint("red", "×");
      });
      return [`  ${source}: ${shortHost(host)}`, signs.join("")];
    }),
  );
}
