import type { ClusterClient } from "./api";
import type { TestNamespaces } from "./testNamespaces";
import type { LinkName, Stack } from "./stack";
import type { Deadline } from "./watch";

export const groups = ["health", "damage", "mirror", "traffic", "validation"] as const;
export type Group = (typeof groups)[number];

/** Parts that a test runs beside a cluster whose own pods are simulated. */
export const externalParts = ["mirror", "injector"] as const;
export type ExternalPart = (typeof externalParts)[number];

export type Answer = "yes" | "no" | "not applicable";

/** How `heal` repairs one fault. */
export interface Repair {
  /** Shown before the repair runs. Example: `east: restart controller-west` */
  does: string;
  /** Repairs with equal keys run once. Example: faults of ten mirrors need one restart of their controller. */
  key: string;
  run(deadline: Deadline): Promise<void>;
}

export interface Finding {
  answer: Answer;
  /** The observed state, in one or two sentences. */
  why: string;
  /** The objects that were examined. Example: `east service default/nginx-svc-west` */
  objects: string[];
  /** A fault that was seen before the answer became yes. */
  remark?: string;
  /** The next command to type. Every `no` has one. */
  next?: string;
  /** Only in the damage group. */
  repairs?: Repair[];
}

export interface Result extends Omit<Finding, "repairs"> {
  id: string;
  group: Group;
  title: string;
  /** A cluster, or a link as `source->target`. */
  on: string;
  seconds: number;
}

/** The whole mesh, as every check sees it. */
export interface CheckedMesh {
  stack: Stack;
  clusters: Record<string, ClusterClient>;
  external: ReadonlySet<ExternalPart>;
}

export interface ClusterContext extends CheckedMesh {
  cluster: ClusterClient;
  deadline: Deadline;
}

export interface LinkContext extends CheckedMesh {
  link: LinkName;
  source: ClusterClient;
  target: ClusterClient;
  deadline: Deadline;
  testNamespaces: TestNamespaces;
}

interface Question {
  /** The value that `--only` takes. Example: `traffic.gateway` */
  id: string;
  group: Group;
  /** A question whose healthy answer is yes. */
  title: string;
  /** `--deadline` overrides it. */
  deadlineSeconds: number;
}

/** Asked once per cluster. `applies` returns the reason why it cannot be asked there, or undefined. */
export interface ClusterCheck extends Question {
  scope: "cluster";
  applies(context: ClusterContext): Promise<string | undefined>;
  run(context: ClusterContext): Promise<Finding>;
}

/** Asked once per directed link. */
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

export function no(why: string, objects: string[], next: string, repairs?: Repair[]): Finding {
  return { answer: "no", why, objects, next, repairs };
}

export function notApplicable(why: string, objects: string[] = []): Finding {
  return { answer: "not applicable", why, objects };
}
