/** What `status`, `graph` and `view` show of a mesh. Plain data without secrets: it is printed and sent to a browser. */
export interface MeshStatus {
  stack: string;
  runtime: "k3d" | "kwok" | "existing";
  clusters: ClusterStatus[];
  links: LinkStatus[];
  services: ExportedService[];
  problems: Problem[];
}

export interface ClusterStatus {
  /** Name in the mesh. */
  name: string;
  /** Context for kubectl. */
  context: string;
  domain: string;
  /** Where the other clusters' Links find its gateway. */
  gateway: string;
  /** Why it does not answer. The fields below are then empty. */
  down?: string;
  /** kwok simulates its nodes, so no pod runs. */
  isSimulated: boolean;
  /** Version of its control plane. Example: `edge-26.8.3` */
  linkerd?: string;
  /** Ready and wanted pods of the gateway. */
  gatewayPods?: { ready: number; wanted: number };
  /** Requests that came through its gateway since the gateway's pods started. */
  requests?: number;
  certificates: Certificate[];
}

export interface Certificate {
  what: string;
  /** RFC 3339 */
  expires: string;
  /** Whole days until then; negative afterwards. */
  days: number;
}

/**
 * - `alive`: Linkerd's last probe of the gateway was answered.
 * - `failing`: the last probe was not, or the gateway or its cluster is gone. Linkerd calls it dead after three probes.
 * - `dead`: Linkerd sends no requests to it.
 * - `simulated`: nothing probes, because kwok simulates the pods.
 * - `unknown`: the source does not answer, or its controller does not.
 */
export type LinkState = "alive" | "failing" | "dead" | "simulated" | "unknown";

/** One directed link. */
export interface LinkStatus {
  source: string;
  target: string;
  state: LinkState;
  why?: string;
  /** Milliseconds of the last probe of the target's gateway. */
  latency?: number;
  /** Mirror services that exist in the source. */
  mirrors?: number;
}

/** How a label of Linkerd exports a service: through the gateway, pod to pod, or joined with others of its name. */
export type Mode = "gateway" | "flat" | "federated";

export interface ExportedService {
  cluster: string;
  namespace: string;
  name: string;
  mode: Mode;
  ports: number[];
  /** Pods that have names of their own: those behind a headless service. */
  pods: { name: string; isReady: boolean }[];
  /** One for each link to its cluster, and one for each pod and link. */
  mirrors: Mirror[];
}

export interface Mirror {
  /** The cluster that has it. */
  source: string;
  name: string;
  /** The pod that it stands for. */
  pod?: string;
  /** Linkerd skips some services by its rules. Such a mirror is not missing. */
  state: "exists" | "missing" | "skipped" | "simulated" | "unknown";
  /** Why it does not exist. */
  why?: string;
  /** The name and port to call in the source. Example: `db-0.db-west.default.svc.east.cluster.local:5432` */
  host: string;
  /** A request to type. Only where the source has a Deployment curl. */
  curl?: string;
}

/** Something is wrong, and the next command. */
export interface Problem {
  what: string;
  next: string;
}
