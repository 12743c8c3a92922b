import type { ClusterClient } from "./api";
import type { Rooms } from "./sandbox";
import type { LinkName, Stack } from "./stack";
import type { Deadline } from "./watch";

export const groups = ["health", "damage", "mirror", "traffic", "validation"] as const;
export type Group = (typeof groups)[number];

/** Parts that a test runs beside a cluster whose own pods are simulated. */
export const externalParts = ["mirror", "injector"] as const;
export type ExternalPart = (typeof externalParts)[number];

export type Answer = "yes" | "no" | "not applicable";

/** How `heal` puts one finding right. */
export interface Mend {
  /** What will be done, before it is done. Example: `east: restart controller-west` */
  does: string;
  /** Finding the same mend twice is common (one controller behind ten mirrors): equal keys are done once. */
  key: string;
  run(deadline: Deadline): Promise<void>;
}

export interface Finding {
  answer: Answer;
  /** One or two sentences: what was seen. */
  why: string;
  /** What was looked at. Example: `east service default/nginx-svc-west` */
  objects: string[];
  /** What a reader must know of a yes: a fault that was seen on the way to it. */
  remark?: string;
  /** The next command to type. Every `no` has one. */
  next?: string;
  /** Only from the damage group. */
  mends?: Mend[];
}

export interface Result extends Omit<Finding, "mends"> {
  id: string;
  group: Group;
  title: string;
  /** A cluster, or a link as `source->target`. */
  on: string;
  seconds: number;
}

/** What every check can see. */
export interface Mesh {
  stack: Stack;
  clusters: Record<string, ClusterClient>;
  external: ReadonlySet<ExternalPart>;
}

export interface ClusterContext extends Mesh {
  cluster: ClusterClient;
  deadline: Deadline;
}

export interface LinkContext extends Mesh {
  link: LinkName;
  source: ClusterClient;
  target: ClusterClient;
  deadline: Deadline;
  rooms: Rooms;
}

interface Question {
  /** `group.what`: what `--only` takes. */
  id: string;
  group: Group;
  /** A question whose healthy answer is yes. */
  title: string;
  /** Seconds; `--deadline` replaces it. */
  deadlineSeconds: number;
}

/** Asked once a cluster. `applies` gives the reason why it cannot be asked there, or undefined. */
export interface ClusterCheck extends Question {
  scope: "cluster";
  applies(context: ClusterContext): Promise<string | undefined>;
  run(context: ClusterContext): Promise<Finding>;
}

/** Asked once a directed link. */
export interface LinkCheck extends Question {
  scope: "link";
  applies(context: LinkContext): Promise<string | undefined>;
  run(context: LinkContext): Promise<Finding>;
}

export type Check = ClusterCheck | LinkCheck;

export const always = (): Promise<undefined> => Promise.resolve(undefined);

export function yes(why: string, objects: string[], remark?: string): Finding {
  return { answer: "yes", why, objects, ...(remark !== undefined && { remark }) };
}

export function no(why: string, objects: string[], next: string, mends?: Mend[]): Finding {
  return { answer: "no", why, objects, next, mends };
}

export function notApplicable(why: string, objects: string[] = []): Finding {
  return { answer: "not applicable", why, objects };
}
