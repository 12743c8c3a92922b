import { isOwnFault, kubectl, reason, type ClusterClient } from "./api";
import { no, notApplicable, type Check, type Finding, type Repair, type CheckedMesh, type Result } from "./check";
import type { TestNamespaces } from "./testNamespaces";
import { Deadline, Interrupted } from "./watch";

export interface Asked {
  result: Result;
  repairs: Repair[];
}

export interface Asking extends CheckedMesh {
  testNamespaces: TestNamespaces;
  signal: AbortSignal;
  /** Deadline of every check, in seconds. Default: each check has its own. */
  deadlineSeconds?: number;
  /** Called with each answer as soon as it is known. */
  tell: (asked: Asked) => void;
}

interface Question {
  check: Check;
  ask: () => Promise<Asked>;
}

/**
 * Asks the checks of every cluster and every link. The health checks run first and all at once, because they change
 * nothing. The others create services and mirrors, and `linkerd check` would count these as the mesh's own. The checks
 * of one cluster or link run one after the other.
 *
 * @throws Interrupted when a signal ended the run
 */
export async function ask(checks: readonly Check[], asking: Asking): Promise<Asked[]> {
  const { clusters, stack } = asking;
  const ofClusters = Object.values(clusters).map((cluster) =>
    checks.flatMap((check): Question[] => {
      if (check.scope !== "cluster") return [];
      const ask = (): Promise<Asked> => {
        const context = { ...asking, cluster, deadline: deadlineOf(check, asking) };
        const run = (): Promise<Finding> => check.run(context);
        return one(check, cluster.name, cluster, asking, () => check.applies(context), run);
      };
      return [{ check, ask }];
    }),
  );
  const ofLinks = stack.links.map((link) => {
    const [source, target] = [clusters[link.source], clusters[link.target]];
    if (!source || !target) throw new Error(`link ${link.source}->${link.target} names a cluster that the stack lacks`);
    return checks.flatMap((check): Question[] => {
      if (check.scope !== "link") return [];
      const ask = (): Promise<Asked> => {
        const context = { ...asking, link, source, target, deadline: deadlineOf(check, asking) };
        const run = (): Promise<Finding> => check.run(context);
        return one(check, `${link.source}->${link.target}`, source, asking, () => check.applies(context), run);
      };
      return [{ check, ask }];
    });
  });
  const lists = [...ofClusters, ...ofLinks];
  const isHealth = ({ check }: Question): boolean => check.group === "health";
  const health = await allSettled(
    lists
      .flat()
      .filter(isHealth)
      .map(({ ask }) => ask()),
  );
  const others = await allSettled(lists.map((questions) => inTurn(questions.filter((one) => !isHealth(one)))));
  return [...health, ...others.flat()];
}

async function inTurn(questions: readonly Question[]): Promise<Asked[]> {
  const answers: Asked[] = [];
  for (const { ask } of questions) answers.push(await ask());
  return answers;
}

/** Like Promise.all, but waits for all promises before it rejects. */
async function allSettled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  return settled.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
}

function deadlineOf(check: Check, { deadlineSeconds, signal }: Asking): Deadline {
  return new Deadline(deadlineSeconds ?? check.deadlineSeconds, signal);
}

async function one(
  { id, group, title }: Check,
  on: string,
  cluster: ClusterClient,
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
    if (isOwnFault(error)) throw error;
    // A check that cannot be asked fails: the cluster does not answer, or refuses the request.
    finding = no(
      `it could not be asked: ${reason(error)}`,
      [`cluster ${cluster.name}`],
      kubectl(cluster, "get --raw /readyz"),
    );
  }
  const { repairs = [], ...rest } = finding;
  const asked = { result: { id, group, title, on, seconds: (performance.now() - start) / 1000, ...rest }, repairs };
  tell(asked);
  return asked;
}
