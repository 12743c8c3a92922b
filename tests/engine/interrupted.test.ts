/**
 * SIGKILL to the engine, to plugins, to the program, and to a cluster's own processes, spread over an update. One plain
 * `npm start` or `npm stop` afterwards succeeds, nothing is left over, and the next update changes nothing.
 *
 * Six moments by default; `npm test -- interrupted` takes forty (most of an hour). Moments are taken from an update that
 * nobody interrupts, so they move with the speed of the machine.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Api } from "../lib/api";
import { eventually } from "../lib/eventually";
import type { Process } from "../lib/processes";
import { type Outcome, succeeded, TestStack } from "../lib/stack";

/** The kinds of processes to kill, by command line. A maker makes, fills and clears a cluster. */
const kinds = {
  engine: /^\S*pulumi (up|destroy) /,
  maker: /(lifecycle\/kwok|applyDefinitions)\.ts (claim|create|delete|apply)|^\S*kwokctl /,
  plugin: /pulumi-resource-/,
  server: /^\S*(etcd|kube-apiserver) /,
  program: /pulumi-language-nodejs|@pulumi\/pulumi\/cmd\/run/,
};
type Kind = keyof typeof kinds;

/** When processes of a kind exist, in seconds from the beginning of an update. */
type Windows = Partial<Record<Kind, { first: number; last: number }>>;

interface Operation {
  /** How many times it is killed: all, and as a sample. */
  points: { all: number; sample: number };
  run: () => Promise<Pick<Outcome, "ok" | "output">>;
  bringsUp: boolean;
  /** At every second moment pulumi, typed by hand, clears the stack away instead of bringing it up again. */
  clearedByHand?: boolean;
  /** What is killed first; the other kinds follow in their order. */
  first: Kind;
}

const which = process.env.MESH_INTERRUPTIONS === "all" ? "all" : "sample";
const operations: Record<string, Operation> = {
  // By hand, pulumi writes the state at each step. The scripts write it once, after an up from nothing and a destroy.
  up: { points: { all: 15, sample: 2 }, run: () => stack.up(), bringsUp: true, first: "engine" },
  "npm start": {
    points: { all: 15, sample: 2 },
    run: () => stack.script("start", stack.name),
    bringsUp: true,
    clearedByHand: true,
    first: "server",
  },
  destroy: { points: { all: 5, sample: 1 }, run: () => stack.destroy(), bringsUp: false, first: "server" },
  "npm stop": {
    points: { all: 5, sample: 1 },
    run: () => stack.script("stop", stack.name),
    bringsUp: false,
    first: "maker",
  },
};

let stack: TestStack;
/** Every host port of the clusters. */
let ports: number[] = [];

before(async () => {
  stack = await TestStack.create({ "mesh:runtime": "kwok" });
});
after(async () => {
  await stack.end();
});

for (const [name, { points, run, bringsUp, clearedByHand, first }] of Object.entries(operations)) {
  test(`${name}, killed`, async (t) => {
    if (!bringsUp) succeeded(await stack.up());
    const windows = await watch(run);
    if (bringsUp) succeeded(await stack.script("stop", stack.name));
    for (const [i, { kind, at }] of moments(windows, first, points[which]).entries()) {
      await t.test(`${kind} after ${at.toFixed(1)} s`, async (t) => {
        const victim = await interrupt({ run, bringsUp }, kind, at);
        const began = Date.now();
        if (clearedByHand && i % 2 === 1) {
          await stack.cancel();
          succeeded(await stack.destroy());
        } else if (bringsUp) {
          succeeded(await stack.script("start", stack.name));
          await stands();
          succeeded(await stack.script("stop", stack.name));
        } else {
          // By hand, Pulumi's own lock refuses a destroy after a killed engine and asks for `pulumi cancel`.
          succeeded(await stack.script("stop", stack.name));
        }
        assert.deepEqual(await stack.export(), []);
        // A killed engine's plugins would live for over five minutes. The command that clears its clusters ends them.
        await eventually(async () => assert.deepEqual(await stack.leftovers(ports), []), 30);
        t.diagnostic(`killed ${victim}; right again ${((Date.now() - began) / 1000).toFixed(1)} s after its end`);
      });
    }
  });
}

/** Runs it to its end, and returns when processes of each kind existed. */
async function watch(run: Operation["run"]): Promise<Windows> {
  const began = Date.now();
  const windows: Windows = {};
  const running = run();
  const ended = running.then(() => true);
  while (!(await Promise.race([ended, sleep(100, false)]))) {
    const seconds = (Date.now() - began) / 1000;
    const present = await stack.processes();
    for (const [kind, pattern] of Object.entries(kinds) as [Kind, RegExp][]) {
      if (!present.some(({ command }) => pattern.test(command))) continue;
      windows[kind] = { first: windows[kind]?.first ?? seconds, last: seconds };
    }
  }
  succeeded(await running);
  return windows;
}

/** Every kind in turn, the moments of each spread over its window. */
function moments(windows: Windows, first: Kind, count: number): { kind: Kind; at: number }[] {
  const all = Object.keys(kinds) as Kind[];
  const inOrder = [...all.slice(all.indexOf(first)), ...all.slice(0, all.indexOf(first))];
  const present = inOrder.flatMap((kind) => (windows[kind] ? [{ kind, ...windows[kind] }] : []));
  return present.flatMap(({ kind, first, last }, i) => {
    const ofThisKind = Math.ceil((count - i) / present.length);
    return Array.from({ length: Math.max(0, ofThisKind) }, (_, k) => {
      return { kind, at: first + ((k + 0.5) / ofThisKind) * (last - first) };
    });
  });
}

/** Runs it until one process of the kind is killed at that moment; sooner, where it ended before. */
async function interrupt(
  { run, bringsUp }: Pick<Operation, "run" | "bringsUp">,
  kind: Kind,
  at: number,
): Promise<string> {
  for (let attempt = 0; attempt < 10; attempt++) {
    succeeded(await (bringsUp ? stack.script("stop", stack.name) : stack.up()));
    const running = run();
    const victim = await killed(kind, at * 0.8 ** attempt, running);
    await givenUp(running);
    if (victim) return victim.trim().slice(0, 100);
  }
  throw new Error(`ten times it ended with no ${kind} to kill`);
}

/** Kills one process of the kind at that moment, or as soon as there is one. */
async function killed(kind: Kind, at: number, running: Promise<unknown>): Promise<string | undefined> {
  const ended = running.then(() => true);
  for (let wait = at * 1000; !(await Promise.race([ended, sleep(wait, false)])); wait = 20) {
    const victims = (await stack.processes()).filter(({ command }) => kinds[kind].test(command));
    const victim = victims[Math.floor(at * 10) % victims.length];
    if (victim && kill(victim)) return victim.command;
  }
  return undefined;
}

/** Waits for its end. Like a person, types Ctrl-C instead of waiting ten minutes for pods of a dead cluster. */
async function givenUp(running: Promise<unknown>): Promise<void> {
  if (await Promise.race([running.then(() => true), sleep(60_000, false)])) return;
  for (const engine of await stack.processes()) if (kinds.engine.test(engine.command)) kill(engine, "SIGINT");
  await running;
}

/** Whether the process still existed. */
function kill({ pid }: Process, signal: NodeJS.Signals = "SIGKILL"): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return false;
  }
}

/** Both clusters run everything they should and nothing else, and there is nothing to change. */
async function stands(): Promise<void> {
  const { kubeconfigs, clusters } = await stack.outputs<{
    kubeconfigs: Record<string, string>;
    clusters: Record<string, { apiServer: string }>;
  }>({ showSecrets: true });
  ports = Object.values(clusters).flatMap(({ apiServer }) =>
    Array.from({ length: 6 }, (_, i) => Number(new URL(apiServer).port) + i),
  );
  const [east, west] = [kubeconfigs.east, kubeconfigs.west].map((kubeconfig) => new Api(kubeconfig ?? "")) as [
    Api,
    Api,
  ];
  const links = "/apis/multicluster.linkerd.io/v1alpha3/namespaces/linkerd-multicluster/links";
  await eventually(async () => {
    assert.deepEqual((await east.list(links)).map(({ metadata }) => metadata.name), ["west"]); // prettier-ignore
    assert.deepEqual((await west.list(links)).map(({ metadata }) => metadata.name), ["east"]); // prettier-ignore
  });
  await eventually(async () => {
    const nginx = "/apis/apps/v1/namespaces/default/statefulsets/nginx-set";
    assert.equal((await west.get<{ status: { readyReplicas?: number } }>(nginx)).body.status.readyReplicas, 3);
  });
  assert.deepEqual(
    stack.contexts().sort(),
    ["east", "west"].map((cluster) => `kwok-${stack.name}-${cluster}`),
  );

  const again = succeeded(await stack.up());
  assert.deepEqual(again.changes, []);
  assert.deepEqual(Object.keys(again.summary), ["same"]);
  // etcd, API server, controller manager, scheduler and kwok, twice.
  await eventually(async () => {
    const running = (await stack.processes()).map(({ command }) => command.trim().slice(0, 100));
    assert.equal(running.length, 10, running.join("\n"));
  }, 30);
}
