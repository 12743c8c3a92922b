import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { failureOf, loadScript, parseClock, parseLine, parseReply, tally } from "../../traffic/requests";

test("a line of the load client is read whole or not at all", () => {
  const host = "nginx-set-0.nginx-svc-west.default.svc.east.cluster.local:80";
  assert.deepEqual(parseLine(`250.25 http://${host}/ 200 0 0.012 `, 1_700_000_000), {
    ...{ at: 1_700_000_250.25, host, status: 200, exit: 0, seconds: 0.012 },
  });
  assert.equal(
    parseLine(`1.00 http://${host}/ 502 0 0.1 client error (Connect)`, 0)?.proxyError,
    "client error (Connect)",
  );
  assert.equal(parseLine(`1.00 http://${host}/ 200 0 0.1 %header{l5d-proxy-error}`, 0)?.proxyError, undefined);
  for (const line of ["", "clock 250.25", `1.00 http://${host}/ 20`, "# east: 503", "sh: curl: not found"]) {
    assert.equal(parseLine(line, 0), undefined, line);
  }
  assert.deepEqual([parseClock("clock 250.25"), parseClock("250.25"), parseClock("clock 25")], [250.25, undefined, undefined]); // prettier-ignore
});

test("failures are counted by kind", () => {
  const kind = (status: number, exit: number, proxyError?: string) => failureOf({ status, exit, proxyError });
  assert.deepEqual(
    [kind(200, 0), kind(0, 6), kind(0, 7), kind(0, 28), kind(0, 35), kind(503, 0), kind(404, 0)],
    [undefined, "no such name", "refused", "timed out", "curl ended with 35", "HTTP 503", "HTTP 404"],
  );
  assert.equal(kind(502, 0, "no route"), "proxy error");
});

test("requests are counted by host and kind, with the longest time without an answer", () => {
  const request = (at: number, host: string, exit = 0) => ({ at, host, status: exit ? 0 : 200, exit, seconds: 0.1 });
  const requests = [request(3, "a", 28), request(1, "a"), request(2, "a", 6), request(6.5, "a"), request(4, "b", 28)];
  assert.deepEqual(tally(requests), {
    a: { sent: 4, answered: 2, failed: { "no such name": 1, "timed out": 1 }, longestSilence: 5.5 },
    b: { sent: 1, answered: 0, failed: { "timed out": 1 }, longestSilence: 0 },
  });
});

test(
  "the load client asks every host at a fixed pace, also while a host hangs, and stops on demand",
  { skip: process.platform !== "linux" && "only Linux has /proc/uptime" },
  async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "traffic-"));
    const stop = path.join(directory, "stop");
    // Fills in the format for each URL, as curl does, and takes a second for it.
    const curl = `#!/bin/sh
urls=
while [ $# -gt 0 ]; do
  case $1 in -w) format=$2; shift;; http:*) urls="$urls $1";; esac
  shift
done
sleep 1
for url in $urls; do
  printf '%s\\n' "$format" | sed -e "s#%{url}#$url#; s/%{http_code}/200/; s/%{exitcode}/0/; s/%{time_total}/0.01/; s/%header{[^}]*}//; s/.n$//"
done
`;
    try {
      fs.writeFileSync(path.join(directory, "curl"), curl, { mode: 0o755 });
      const env = { ...process.env, PATH: `${directory}:${process.env.PATH}` };
      const loop = promisify(execFile)("sh", ["-c", loadScript, "sh", stop, "60", "20", "a:80", "b:80"], { env });
      await new Promise((resolve) => setTimeout(resolve, 1500));
      fs.writeFileSync(stop, "");
      const [clock = "", ...lines] = (await loop).stdout.split("\n").slice(0, -1);
      const began = parseClock(clock);
      assert.ok(began !== undefined, clock);
      const requests = lines.map((line) => parseLine(line, 0));
      assert.ok(
        requests.every((request) => request?.status === 200),
        lines.join("\n"),
      );
      for (const host of ["a:80", "b:80"]) {
        const times = requests.filter((request) => request?.host === host).map((request) => request?.at ?? 0);
        // Five per second; one at a time would be two.
        assert.ok(times.length >= 5 && times.length <= 9, `${times.length} requests to ${host}`);
        assert.equal(new Set(times).size, times.length, "each request is asked at its own time");
      }
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  },
);

test("a reply's status, proxy error and page are distinguished", () => {
  const proxied = parseReply("HTTP/1.1 504 Gateway Timeout\r\nL5d-Proxy-Error: timed out\r\n\r\n");
  assert.deepEqual(proxied, { status: 504, proxyError: "timed out", body: "" });
  assert.deepEqual(parseReply("HTTP/1.1 200 OK\r\nserver: nginx\r\n\r\n<h1>a\n\nb</h1>"), {
    ...{ status: 200, body: "<h1>a\n\nb</h1>" },
  });
  assert.equal(parseReply("").status, 0);
});
