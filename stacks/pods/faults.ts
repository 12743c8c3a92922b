import type { ContainerStatus, Pod } from "../../verify/api";
import type { Workload } from "./inFlight";

/** Why a pod will not become ready by itself. */
export interface Fault {
  workload: Workload;
  namespace: string;
  pod: string;
  /** The pod's UID, for looking up its events. */
  uid: string;
  problem: "crash" | "image" | "scheduling";
  /** Undefined where the whole pod waits for a node. */
  container?: string;
  /** In the words of the kubelet or the scheduler. Example: `CrashLoopBackOff, last exit code 1 (Error), 3 restarts` */
  reason: string;
}

/**
 * How long each problem must last before it is a fault, in seconds. A fault must be reported within 90 s. The rest of
 * that time is for noticing it (watch.ts) and for reading logs.
 */
export const patience: Record<Fault["problem"], number> = { crash: 60, image: 45, scheduling: 60 };

/**
 * A container that has run for less than this since its last crash may be about to crash again. The limit must be this
 * long: a container that crashes every 40 s is running when its minute is over, and crashes a third time after 90 s.
 */
const steadySeconds = 25;

/** A container that was ready for this long has recovered. A later crash counts as a new problem. */
const recoveredSeconds = 60;

/** Reasons of a kubelet that cannot get an image and retries: pkg/kubelet/images/types.go */
const imageReasons = [
  "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError", "InvalidImageName", "RegistryUnavailable",
  "SignatureValidationFailed",
]; // prettier-ignore

/** Reasons of a kubelet that cannot start a container and retries: pkg/kubelet/container/sync_result.go */
const startReasons = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError"];

interface History {
  /** When a check first found the container crashed. */
  crashedAt?: number;
  /** Start time of the running container, by the cluster's clock. It identifies the run. */
  startedAt?: number;
  /** When that run was first seen, by our clock. The two clocks may differ. */
  upSince?: number;
}

/** Judges pods over repeated checks, because most problems during a start go away. */
export class FaultFinder {
  private readonly histories = new Map<string, History>();
  private readonly since = new Map<string, number>();

  /** @param seconds how long each problem must last */
  constructor(private readonly seconds = patience) {}

  /**
   * @param pods all that the workload is waiting for
   * @param now milliseconds
   * @returns the problems that have lasted too long
   */
  judge(workload: Workload, pods: Pod[], now: number): Fault[] {
    return pods.flatMap((pod) => {
      const { uid = "", name = "", namespace = "" } = pod.metadata ?? {};
      const fault = { workload, namespace, pod: name, uid };
      const unschedulable = pod.status?.conditions?.find(
        ({ type, status, reason }) => type === "PodScheduled" && status === "False" && reason === "Unschedulable",
      );
      const scheduling = this.lasts(`${uid} scheduling`, unschedulable !== undefined, this.seconds.scheduling, now);
      if (scheduling) {
        return [
          { ...fault, problem: "scheduling", reason: `Unschedulable: ${unschedulable?.message ?? "no reason given"}` },
        ];
      }
      const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
      return statuses.flatMap((status): Fault[] => {
        const { reason, message } = status.state?.waiting ?? {};
        const noImage = reason !== undefined && imageReasons.includes(reason);
        if (this.lasts(`${uid} image ${status.name}`, noImage, this.seconds.image, now)) {
          const words = `${reason} of ${status.image}${message ? `: ${message}` : ""}`;
          return [{ ...fault, problem: "image", container: status.name, reason: words }];
        }
        if (!this.crashes(pod, status, now)) return [];
        return [{ ...fault, problem: "crash", container: status.name, reason: crashReason(status) }];
      });
    });
  }

  private lasts(key: string, present: boolean, seconds: number, now: number): boolean {
    if (!present) {
      this.since.delete(key);
      return false;
    }
    const since = this.since.get(key) ?? now;
    this.since.set(key, since);
    return now - since >= seconds * 1000;
  }

  /** Whether the container crashed long enough ago, is not up now, and had more than one chance. */
  private crashes(pod: Pod, status: ContainerStatus, now: number): boolean {
    // A Job may replace the pod instead of restarting its containers. The crashes of those pods count together.
    const job = pod.metadata?.ownerReferences?.find(({ kind }) => kind === "Job");
    const key = `${job?.uid ?? pod.metadata?.uid} ${status.name}`;
    const history = this.histories.get(key) ?? {};
    this.histories.set(key, history);

    const startedAt = status.state?.running?.startedAt?.getTime();
    if (startedAt !== history.startedAt) [history.startedAt, history.upSince] = [startedAt, now];
    const upSeconds = status.state?.running ? (now - (history.upSince ?? now)) / 1000 : 0;

    const waiting = status.state?.waiting?.reason ?? "";
    const gaveUp = waiting === "CrashLoopBackOff" || startReasons.includes(waiting);
    const exitCode = (status.state?.terminated ?? status.lastState?.terminated)?.exitCode ?? 0;
    if (status.ready && upSeconds >= recoveredSeconds) history.crashedAt = undefined;
    else if (!status.ready && (gaveUp || exitCode !== 0)) history.crashedAt ??= now;

    const lasting = history.crashedAt !== undefined && now - history.crashedAt >= this.seconds.crash * 1000;
    const justStarted = status.state?.running !== undefined && !status.ready && upSeconds < steadySeconds;
    const down = gaveUp || (status.state?.terminated?.exitCode ?? 0) !== 0 || justStarted;
    const again = gaveUp || status.restartCount >= 2 || pod.spec?.restartPolicy === "Never";
    return lasting && down && again;
  }
}

function crashReason({ state, lastState, restartCount }: ContainerStatus): string {
  const ended = state?.terminated ?? lastState?.terminated;
  const waiting = state?.waiting;
  // The kubelet's message about a back-off contains only the waiting time and the pod's name.
  const message = ended?.message ?? (waiting?.reason === "CrashLoopBackOff" ? undefined : waiting?.message);
  return [
    ...(waiting?.reason ? [waiting.reason] : []),
    ...(ended ? [`last exit code ${ended.exitCode}${ended.reason ? ` (${ended.reason})` : ""}`] : []),
    `${restartCount} restarts`,
    ...(message ? [message.trim()] : []),
  ].join(", ");
}
