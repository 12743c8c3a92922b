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
 * Asks the checks: clusters first, then every link. Links go side by side, the checks of one link one after the other,
 * for they share its room.
 *
 * @throws Interrupted when a signal ended the run
 */
export async function ask(checks: readonly Check[], asking: Asking): Promise<Asked[]> {
  const { clusters, stack } = asking;
  const ofClusters = Object.values(clusters).map(async (cluster) => {
    const answers: Asked[] = [];
    for (const check of checks) {
      if (check.scope !== "cluster") continue;
      const context = { ...asking, cluster, deadline: deadlineOf(check, asking) };
      answers.push(
        await one(
          check,
          cluster.name,
          cluster,
          asking,
          () => check.applies(context),
          () => check.run(context),
        ),
      );
    }
    return answers;
  });
  const ofLinks = stack.links.map(async (link) => {
    const [source, target] = [clusters[link.source], clusters[link.target]];
    if (!source || !target) throw new Error(`link ${link.source}->${link.target} names a cluster that the stack lacks`);
    const answers: Asked[] = [];
    for (const check of checks) {
      if (check.scope !== "link") continue;
      const context = { ...asking, link, source, target, deadline: deadlineOf(check, asking) };
      const on = `${link.source}->${link.target}`;
      answers.push(
        await one(
          check,
          on,
          source,
          asking,
          () => check.applies(context),
          () => check.run(context),
        ),
      );
    }
    return answers;
  });
  const settled = await Promise.allSettled([...ofClusters, ...ofLinks]);
  const failed = settled.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  return settled.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
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
