/**
 * Compares the writes that etcd acknowledged with those that it still has, and tells how long it had no leader and took no write.
 * Run it with: node --import tsx examples/etcd/check.ts [stack]
 */
import { physicalNameOf } from "../../config/physicalName";
import { outputOf, UserError } from "../../lib/run";
import { runToEnd } from "../../lib/verbs";

interface Acknowledged {
  at: number;
  key: string;
  revision: number;
}

/** What etcdctl prints as JSON, as far as it is used here. */
interface Range {
  kvs?: { key: string; value: string; mod_revision: number }[];
}

const stack = process.argv[2] ?? "etcd";
/** Runs kubectl in north, where the writer is. */
const kubectl = (...args: string[]) =>
  outputOf("kubectl", ["--context", `k3d-${physicalNameOf(stack, "north")}`, ...args]);

/** The lines of a log, with the time at which each was written in milliseconds. */
async function logOf(workload: string, container: string): Promise<{ at: number; text: string }[]> {
  const lines = await kubectl("logs", workload, "--container", container, "--timestamps");
  return lines
    .split("\n")
    .filter((line) => line.includes(" "))
    .map((line) => {
      const end = line.indexOf(" ");
      return { at: Date.parse(line.slice(0, end)), text: line.slice(end + 1) };
    });
}

async function acknowledgedWrites(): Promise<Acknowledged[]> {
  const log = await logOf("deploy/writer", "writer");
  return log.flatMap(({ at, text }) => {
    const [, key, revision] = /^acknowledged (\S+) (\d+)$/.exec(text) ?? [];
    return key === undefined ? [] : [{ at, key, revision: Number(revision) }];
  });
}

/** The revision of each key, read through the leader. */
async function storedRevisions(): Promise<Map<string, number>> {
  const etcdctl = ["exec", "etcd-0", "--container", "etcd", "--", "/usr/local/bin/etcdctl", "--command-timeout", "1m"];
  const { kvs = [] } = JSON.parse(await kubectl(...etcdctl, "get", "", "--prefix", "--write-out", "json")) as Range;
  return new Map(kvs.map(({ key, mod_revision }) => [Buffer.from(key, "base64").toString(), mod_revision]));
}

/** When etcd-0 of north learned of a new leader, and since when its log tells: a container's log begins with it. */
async function elections(): Promise<{ since: number; at: number[] }> {
  const log = await logOf("etcd-0", "etcd");
  const at = log.filter(({ text }) => / (elected|changed) leader /.test(text)).map((line) => line.at);
  return { since: log[0]?.at ?? Date.now(), at };
}

const clock = (at: number) => new Date(at).toISOString().slice(11, 23);

async function main(): Promise<void> {
  const writes = await acknowledgedWrites();
  const [stored, elected] = await Promise.all([storedRevisions(), elections()]);
  const [first, last] = [writes[0], writes.at(-1)];
  if (!first || !last) throw new UserError("the log of deploy/writer has no acknowledged write");
  const lost = writes.filter(({ key, revision }) => stored.get(key) !== revision);
  for (const { key, revision } of lost) console.log(`${key}: acknowledged ${revision}, stored ${stored.get(key)}`);
  console.log(`${writes.length} acknowledged writes from ${clock(first.at)} to ${clock(last.at)}, ${lost.length} lost`);
  // A member misses its leader only after --election-timeout. The last acknowledged write shows that the leader was there.
  for (const at of elected.at) {
    const { at: from } = writes.filter((write) => write.at <= at).at(-1) ?? { at };
    console.log(`no leader for at most ${((at - from) / 1000).toFixed(1)} s from ${clock(from)}`);
  }
  console.log(`leaders are known since ${clock(elected.since)}, when etcd-0 of north started`);
  const pauses = writes.slice(1).map(({ at }, i) => ({ at: (writes[i] as Acknowledged).at, until: at }));
  for (const { at, until } of pauses.filter((pause) => pause.until - pause.at >= 1000))
    console.log(`no acknowledged write for ${((until - at) / 1000).toFixed(1)} s from ${clock(at)}`);
  if (lost.length > 0) process.exitCode = 1;
}

void runToEnd(main);
