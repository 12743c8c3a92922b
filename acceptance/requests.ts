/** One request as the load client's shell loop wrote it. */
export interface Request {
  /** Time of sending by the client's clock, in seconds since 1970. */
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
 * Sends requests to several hosts side by side, to each every half second, and prints one line per request. Ends after
 * the given seconds, or when the stop file appears.
 *
 * Arguments: stop file, seconds, hosts. A plain POSIX shell runs it, as curl's own image has no other.
 */
export const loadScript = `
stop=$1 seconds=$2
shift 2
end=$(($(date +%s) + seconds))
ask() {
  while [ "$(date +%s)" -lt "$end" ] && [ ! -e "$stop" ]; do
    curl -s -o /dev/null --max-time 3 \\
      -w "$(date +%s.%N) $1 %{http_code} %{exitcode} %{time_total} %header{${proxyErrorHeader}}\\n" "http://$1/"
    sleep 0.5
  done
}
for host; do ask "$host" & done
wait
`;

/** Reads one line of the load client. Undefined if the line is incomplete. */
export function parseLine(line: string): Request | undefined {
  const [, at, host, status, exit, seconds, error = ""] =
    /^(\d+)\S* (\S+) (\d{3}) (\d+) ([\d.]+)(?: (.*))?$/.exec(line.trimEnd()) ?? [];
  if (at === undefined || host === undefined) return undefined;
  // A curl that does not know the header variable prints it as it stands.
  const proxyError = error === "" || error.startsWith("%header") ? undefined : error;
  const fraction = /^\d+\.(\d{1,9}) /.exec(line)?.[1] ?? "0";
  return {
    at: Number(`${at}.${fraction}`),
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
