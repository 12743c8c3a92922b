import type { Fault } from "./faults";

/** A fault with everything that is reported to the user. */
export interface Report extends Fault {
  /** The container's last log lines; empty where the problem produces no log. */
  log: string[];
  /** Why the log lines could not be read. */
  noLog?: string;
  /** Whether the log lines are from before the container's last restart. */
  previous: boolean;
  /** Context for kubectl. */
  context: string;
  /** Kubeconfig for kubectl; absent where kubectl finds it by itself. */
  file?: string;
}

/** Says where each fault is, and why. */
export function describeFaults(reports: Report[]): string[] {
  return reports.flatMap((report) => {
    const { workload, namespace, pod, container, reason, log, noLog } = report;
    return [
      "",
      `${headline(report)}:`,
      `  cluster    ${workload.cluster}`,
      `  pod        ${namespace}/${pod}`,
      ...(container ? [`  container  ${container}`] : []),
      `  reason     ${reason}`,
      ...(log.length > 0 ? ["  last lines of its log:", ...log.map((line) => `    ${line}`)] : []),
      ...(noLog ? [`  no log lines: ${noLog}`] : []),
    ];
  });
}

/** The commands to type next. */
export function nextCommands(reports: Report[]): string[] {
  return ["", ...reports.flatMap(commandsFor), ""];
}

function commandsFor(report: Report): string[] {
  const { workload, namespace, pod, container, problem, log, previous, file, context } = report;
  const kubectl = `kubectl${file ? ` --kubeconfig ${file}` : ""} --context ${context} -n ${namespace}`;
  const look =
    problem === "crash" && log.length > 0
      ? `${kubectl} logs ${pod} -c ${container}${previous ? " --previous" : ""}`
      : `${kubectl} describe pod ${pod}`;
  const remove = [`  ${kubectl} delete pod ${pod}`];
  // https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
  const afterRepair =
    workload.kind === "StatefulSet"
      ? ["After the repair delete the pod: a StatefulSet does not replace a pod that is not ready.", ...remove]
      : ["If the repair leaves the pod as it is, delete it: Kubernetes may wait five minutes otherwise.", ...remove];
  return [
    `The update was stopped: ${headline(report)} in cluster ${workload.cluster}. Look at it:`,
    `  ${look}`,
    ...(problem === "scheduling" ? [] : afterRepair),
  ];
}

function headline({ problem, container, workload: { kind, name } }: Report): string {
  if (problem === "scheduling") return `a pod of ${kind} ${name} finds no node`;
  if (problem === "image") return `container ${container} of ${kind} ${name} does not get its image`;
  return `container ${container} of ${kind} ${name} fails again and again`;
}
