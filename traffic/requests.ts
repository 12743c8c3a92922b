/** One request as the load client's shell loop wrote it. */
export interface Request {
  /** Time of sending, in seconds since 1970. */
  at: number;
  /** The host that was asked. */
  host: string;
  /** HTTP status, or 0 if there was none. */
  status: number;
  /** Exit code of curl. */
  exit: number;
  seconds: number;
  /** Value of the header by which a proxy marks an answer of its own. */
  proxyError?: string;
}

/** The proxy sets it when it reaches nobody: linkerd2-proxy, app/core/src/errors/respond.rs. */
export const proxyErrorHeader = "l5d-proxy-error";

/**
 * Sends a request to each host at a fixed pace, whether or not earlier ones were answered, and prints one line per
 * request. A request that has no answer after three seconds is given up. The first line tells the client's clock. Ends
 * after the given seconds, or when the stop file appears.
 *
 * Each round is one curl with all hosts, so that ten rounds per second cost a tenth of a core. Each curl looks the names
 * up again. `-Z` prints progress in spite of `-s`.
 *
 * Arguments: stop file, seconds, hundredths of a second between two rounds, hosts. A plain POSIX shell runs it, as
 * curl's own image has no other. Its `date` may lack fractions of a second, so the time comes from /proc/uptime.
 */
export const loadScript = `
stop=$1 seconds=$2 pause=$3
shift 3
look() {
  read -r up rest </proc/uptime
  now=\${up%.*}\${up#*.}
}
look
echo "clock $up"
for host; do
  shift
  set -- "$@" -o /dev/null "http://$host/"
done
end=$((now + seconds * 100)) next=$now
while [ "$now" -lt "$end" ] && [ ! -e "$stop" ]; do
  curl -s -Z --max-time 3 \\
    -w "$up %{url} %{http_code} %{exitcode} %{time_total} %header{${proxyErrorHeader}}\\n" "$@" 2>/dev/null &
  next=$((next + pause))
  look
  left=$((next - now))
  if [ "$left" -gt 0 ]; then
    part=$((left % 100))
    [ "$part" -gt 9 ] || part=0$part
    sleep "$((left / 100)).$part"
    look
  else
    next=$now
  fi
done
wait
`;

/** Reads the client's clock from the first line of its output, in seconds. Undefined if it is another line. */
export function parseClock(line: string): number | undefined {
  const [, seconds] = /^clock (\d+\.\d+)$/.exec(line.trimEnd()) ?? [];
  return seconds === undefined ? undefined : Number(seconds);
}

/**
 * Reads one line of the load client. Undefined if the line is incomplete.
 *
 * @param began when the client's clock was 0, in seconds since 1970
 */
export function parseLine(line: string, began: number): Request | undefined {
  const [, at, host, status, exit, seconds, error = ""] =
    /^(\d+\.\d+) http:\/\/(\S+)\/ (\d{3}) (\d+) ([\d.]+)(?: (.*))?$/.exec(line.trimEnd()) ?? [];
  if (at === undefined || host === undefined) return undefined;
  // A curl that does not know the header variable prints it as it stands.
  const proxyError = error === "" || error.startsWith("%header") ? undefined : error;
  return {
    at: began + Number(at),
    host,
    status: Number(status),
    exit: Number(exit),
    seconds: Number(seconds),
    ...(proxyError !== undefined && { proxyError }),
  };
}

/** Exit codes of curl: https://curl.se/docs/manpage.html#EXIT */
const curlFailures: Record<number, string> = {
  6: "no such name",
  7: "refused",
  28: "timed out",
  52: "empty reply",
  56: "connection broken",
};

/** The kind of failure, or undefined if the service answered. Reports count failures by kind. */
export function failureOf({ status, exit, proxyError }: Pick<Request, "status" | "exit" | "proxyError">) {
  if (exit !== 0) return curlFailures[exit] ?? `curl ended with ${exit}`;
  if (proxyError !== undefined) return "proxy error";
  return status >= 200 && status < 400 ? undefined : `HTTP ${status}`;
}

/** The results of the requests to one host. */
export interface Tally {
  sent: number;
  answered: number;
  /** How many failed, by kind. */
  failed: Record<string, number>;
  /** The longest time between two answers, seconds. */
  longestSilence: number;
}

/** Counts the requests to each host. */
export function tally(requests: readonly Request[]): Record<string, Tally> {
  const tallies: Record<string, Tally> = {};
  const answers: Record<string, number> = {};
  for (const request of [...requests].sort((a, b) => a.at - b.at)) {
    const { host, at } = request;
    const count = (tallies[host] ??= { sent: 0, answered: 0, failed: {}, longestSilence: 0 });
    count.sent += 1;
    const failure = failureOf(request);
    if (failure === undefined) count.answered += 1;
    else count.failed[failure] = (count.failed[failure] ?? 0) + 1;
    // The first request starts the clock and the last one stops it, answered or not.
    const silence = at - (answers[host] ?? at);
    count.longestSilence = Math.max(count.longestSilence, Number(silence.toFixed(1)));
    if (failure === undefined || answers[host] === undefined) answers[host] = at;
  }
  return tallies;
}

/** Reads what `curl -i` printed. */
export function parseReply(text: string): { status: number; proxyError?: string; body: string } {
  const [head = "", ...rest] = text.split(/\r?\n\r?\n/);
  const status = Number(/^HTTP\/\S+ (\d+)/.exec(head)?.[1] ?? 0);
  const error = head.split(/\r?\n/).find((line) => line.toLowerCase().startsWith(`${proxyErrorHeader}:`));
  const proxyError = error?.slice(proxyErrorHeader.length + 1).trim();
  return { status, ...(proxyError !== undefined && { proxyError }), body: rest.join("\n\n") };
}
