import { kubectl, reason, type Cluster } from "./api";
import { no, notApplicable, type Check, type Finding, type Mend, type Mesh, type Result } from "./check";
import type { Rooms } from "./sandbox";
import { Deadline, Interrupted } from "./watch";

export interface Asked {
  result: Result;
  mends: Mend[];
}

export interface Asking extends Mesh {
  rooms: Rooms;
  signal: AbortSignal;
  /** Seconds for every check instead of its own; undefined leaves each its own. */
  deadlineSeconds?: number;
  /** Told as soon as it is known. */
  tell: (asked: Asked) => void;
}

/**
 * Asks the checks of every cluster and every link, all at once. Only the checks of one link that use its room go one after the
 * other.
 *
 * @throws Interrupted when a signal ended the run
 */
export async function ask(checks: readonly Check[], asking: Asking): Promise<Asked[]> {
  const { clusters, stack } = asking;
  const ofClusters = Object.values(clusters).map((cluster) =>
    together(
      checks.flatMap((check) => {
        if (check.scope !== "cluster") return [];
        const ask = (): Promise<Asked> => {
          const context = { ...asking, cluster, deadline: deadlineOf(check, asking) };
          const run = (): Promise<Finding> => check.run(context);
          return one(check, cluster.name, cluster, asking, () => check.applies(context), run);
        };
        return [{ check, ask }];
      }),
    ),
  );
  const ofLinks = stack.links.map(async (link) => {
    const [source, target] = [clusters[link.source], clusters[link.target]];
    if (!source || !target) throw new Error(`link ${link.source}->${link.target} names a cluster that the stack lacks`);
    return together(
      checks.flatMap((check) => {
        if (check.scope !== "link") return [];
        const ask = (): Promise<Asked> => {
          const context = { ...asking, link, source, target, deadline: deadlineOf(check, asking) };
          const run = (): Promise<Finding> => check.run(context);
          return one(check, `${link.source}->${link.target}`, source, asking, () => check.applies(context), run);
        };
        return [{ check, ask }];
      }),
    );
  });
  const settled = await Promise.allSettled([...ofClusters, ...ofLinks]);
  const failed = settled.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  return settled.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
}

/** Asks the health checks at once, because they change nothing, and then the others in their order. */
async function together(questions: readonly { check: Check; ask: () => Promise<Asked> }[]): Promise<Asked[]> {
  const [readOnly, others] = [true, false].map((health) =>
    questions.filter(({ check }) => (check.group === "health") === health),
  );
  const settled = await Promise.allSettled((readOnly ?? []).map(({ ask }) => ask()));
  const failed = settled.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  const answers = settled.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
  for (const { ask } of others ?? []) answers.push(await ask());
  return answers;
}

function deadlineOf(check: Check, { deadlineSeconds, signal }: Asking): Deadline {
  return new Deadline(deadlineSeconds ?? check.deadlineSeconds, signal);
}

async function one(
  { id, group, title }: Check,
  on: string,
  cluster: Cluster,
  { signal, tell }: Asking,
  applies: () => Promise<string | undefined>,
  run: () => Promise<Finding>,
): Promise<Asked> {
  if (signal.aborted) throw new Interrupted();
  const start = performance.now();
  let finding: Finding;
  try {
    const inapplicable = await applies();
    finding = inapplicable === undefined ? await run() : notApplicable(inapplicable);
  } catch (error) {
    if (signal.aborted) throw new Interrupted();
    // A check that cannot be asked has not passed: the cluster is away, or refuses.
    finding = no(
      `it could not be asked: ${reason(error)}`,
      [`cluster ${cluster.name}`],
      kubectl(cluster, "get --raw /readyz"),
    );
  }
  const { mends = [], ...rest } = finding;
  const asked = { result: { id, group, title, on, seconds: (performance.now() - start) / 1000, ...rest }, mends };
  tell(asked);
  return asked;
}
