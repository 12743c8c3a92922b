import { randomBytes } from "node:crypto";
import { curlImageOf, imageLike } from "../lib/images";
import {
  found,
  statusOf,
  type ClusterClient,
  type KubernetesObject,
  type Endpoints,
  type Event,
  type Pod,
  type Service,
} from "./api";
import { isReady } from "./pods";
import type { LinkName } from "./stack";
import { addresses, exportLabel, mirrorName, type Expected, type Mirrored } from "./mirroredServices";
import { allOpen, Deadline, until, View } from "./watch";

/** Marks every test namespace. Other checks skip these, and a later run finds those that a killed run left. */
export const runLabel = "linkerd-multicluster-mesh/verify-run";

/** The namespaces without those of tests: objects come and go there on purpose. */
export function lastingOf<T extends KubernetesObject>(namespaces: readonly T[]): T[] {
  return namespaces.filter(({ metadata }) => metadata?.labels?.[runLabel] === undefined);
}

/** No run lasts this long, because every check has a deadline and links are tested side by side. */
const deadAfterMs = 60 * 60 * 1000;

/** How long the removal of a namespace may take. Pods with a proxy take up to 30 s to end. */
const goneWithinSeconds = 90;

/** Image of the demo's workloads. A running stack has it. */
const webImage = "nginx:1.29";

/**
 * For workloads to become ready, image pulls included. A check's own deadline starts afterwards, because it is meant
 * for the mirror.
 */
const standWithinSeconds = 180;

/** Longer than any mirror was seen to take: 0.3 s after an export, 3 s after scaling. */
const touchAfterSeconds = 5;

const replicas = 2;
const web = { app: "verify-web" };
const deploy = { app: "verify-deploy" };

/** The test namespaces of one run: one per link that needs one, in its source and its target. */
export class TestNamespaces {
  readonly run = randomBytes(4).toString("hex");
  private readonly made: { cluster: ClusterClient; name: string }[] = [];
  private readonly testNamespaces = new Map<string, Promise<TestNamespace>>();

  constructor(private readonly clusters: readonly ClusterClient[]) {}

  /** The test namespace of a link, created on first use. */
  of({ source, target }: LinkName, deadline: Deadline): Promise<TestNamespace> {
    const key = `${source}->${target}`;
    const testNamespace = this.testNamespaces.get(key) ?? this.make(source, target, deadline);
    this.testNamespaces.set(key, testNamespace);
    return testNamespace;
  }

  private async make(sourceName: string, targetName: string, deadline: Deadline): Promise<TestNamespace> {
    const name = `mesh-verify-${this.run}-${this.testNamespaces.size}`;
    const [source, target] = [sourceName, targetName].map((end) => this.clusters.find((c) => c.name === end));
    if (!source || !target) throw new Error(`link ${sourceName}->${targetName} names a cluster that the stack lacks`);
    // The source's first: the mirror skips services whose namespace it does not find there.
    for (const cluster of [source, target]) {
      deadline.signal.throwIfAborted();
      this.made.push({ cluster, name });
      await cluster.core.createNamespace({
        body: {
          metadata: { name, labels: { [runLabel]: this.run }, annotations: { "linkerd.io/inject": "enabled" } },
        },
      });
    }
    return TestNamespace.open(name, source, target);
  }

  /** Removes the namespaces that killed runs left behind, and returns their names. */
  async sweep(now = Date.now()): Promise<string[]> {
    const swept: string[] = [];
    for (const cluster of this.clusters) {
      const { items } = await cluster.core.listNamespace({ labelSelector: runLabel });
      for (const { metadata, status } of items) {
        const age = now - (metadata?.creationTimestamp?.getTime() ?? now);
        if (age < deadAfterMs || status?.phase === "Terminating" || !metadata?.name) continue;
        await found(cluster.core.deleteNamespace({ name: metadata.name }));
        swept.push(`${cluster.name} namespace ${metadata.name}`);
      }
    }
    return swept;
  }

  /**
   * Removes every namespace of this run and waits until it is gone, even after the signal that ended the run. A later
   * call of `of` creates a new one.
   *
   * @returns the namespaces that were not gone in time
   */
  async close(): Promise<string[]> {
    const opened = await Promise.allSettled([...this.testNamespaces.values()]);
    for (const testNamespace of opened) if (testNamespace.status === "fulfilled") await testNamespace.value.close();
    this.testNamespaces.clear();
    const left = await Promise.all(this.made.splice(0).map(({ cluster, name }) => remove(cluster, name)));
    return left.filter((name) => name !== undefined);
  }
}

async function remove(cluster: ClusterClient, name: string): Promise<string | undefined> {
  const view = await View.open(cluster, "/api/v1/namespaces", () => cluster.core.listNamespace());
  try {
    await found(cluster.core.deleteNamespace({ name }));
    const deadline = new Deadline(goneWithinSeconds, new AbortController().signal);
    const still = await until([view], () => (view.get(name) ? "it is still there" : undefined), deadline);
    return still && `${cluster.name} namespace ${name}`;
  } finally {
    await view.close();
  }
}

/** One namespace, in source and target, with live views of its objects. */
export class TestNamespace {
  private markers = 0;
  private beacons = 0;
  private touches = 0;
  private readonly touched: string[] = [];

  private constructor(
    readonly namespace: string,
    readonly source: ClusterClient,
    readonly target: ClusterClient,
    /** In the source. */
    readonly services: View<Service>,
    readonly endpoints: View<Endpoints>,
    readonly sourcePods: View<Pod>,
    /** In the target. */
    readonly pods: View<Pod>,
    readonly events: View<Event>,
  ) {}

  static async open(namespace: string, source: ClusterClient, target: ClusterClient): Promise<TestNamespace> {
    const path = `/api/v1/namespaces/${namespace}`;
    const here = { namespace };
    const [services, endpoints, sourcePods, pods, events] = await allOpen([
      View.open(source, `${path}/services`, () => source.core.listNamespacedService(here)),
      View.open(source, `${path}/endpoints`, () => source.core.listNamespacedEndpoints(here)),
      View.open(source, `${path}/pods`, () => source.core.listNamespacedPod(here)),
      View.open(target, `${path}/pods`, () => target.core.listNamespacedPod(here)),
      View.open(target, `${path}/events`, () => target.core.listNamespacedEvent(here)),
    ]);
    return new TestNamespace(namespace, source, target, services, endpoints, sourcePods, pods, events);
  }

  async close(): Promise<void> {
    await Promise.all([this.services, this.endpoints, this.sourcePods, this.pods, this.events].map((v) => v.close()));
  }

  /** The present state of the mirror in this namespace. */
  mirrored(): Mirrored {
    return { services: this.services.items(), endpoints: this.endpoints.items() };
  }

  /**
   * Watches until nothing is missing.
   *
   * If that takes long, it touches the endpoints of the services exported here. Linkerd's controller watches services
   * and endpoints separately, and skips endpoints whose service it has not seen yet. It also overwrites the endpoints
   * of a headless mirror when it sees the update of a service after that of its endpoints (linkerd2,
   * handleRemoteExportedServiceUpdated in cluster_watcher.go). The next change of the endpoints repairs both. Users
   * meet both faults, so `remark` reports them.
   *
   * @param views the views that `missing` reads. Default: services and endpoints of the source
   */
  async until(
    missing: () => string | undefined,
    deadline: Deadline,
    views: readonly View<KubernetesObject>[] = [this.services, this.endpoints],
  ): Promise<string | undefined> {
    for (;;) {
      const last = deadline.leftMs() <= touchAfterSeconds * 1000;
      const round = last ? deadline : new Deadline(touchAfterSeconds, deadline.signal);
      const still = await until(views, missing, round);
      if (still === undefined || last) return still;
      this.touched.push(missing() ?? still);
      await this.touch();
    }
  }

  /** A sentence about the first fault for which endpoints were touched since the last call. Undefined if none was. */
  remark(): string | undefined {
    const [first] = this.touched.splice(0);
    return (
      first && `Linkerd's controller got this right only after the endpoints had changed once more; before, ${first}`
    );
  }

  /** Changes a label that nobody reads, on the endpoints of every service exported here. */
  private async touch(): Promise<void> {
    const { target, namespace } = this;
    const { items } = await target.core.listNamespacedEndpoints({ namespace });
    for (const { metadata } of items.filter((one) => one.metadata?.labels?.[exportLabel] === "true")) {
      const body = [{ op: "add", path: "/metadata/labels/touched", value: String(this.touches++) }];
      await found(target.core.patchNamespacedEndpoints({ namespace, name: metadata?.name ?? "", body }));
    }
  }

  /** The expected mirror of the exported StatefulSet with this many pods. */
  expected(pods = replicas): Expected {
    return {
      service: "web",
      namespace: this.namespace,
      pods: Array.from({ length: pods }, (_, i) => `set-${i}`),
      target: this.target.name,
      targetDomain: this.target.domain,
    };
  }

  /** Makes sure of a StatefulSet of two ready pods behind an exported headless service. Most checks start with it. */
  async statefulSet(deadline: Deadline): Promise<Expected> {
    await this.scale(replicas, deadline);
    await this.service("web", web, true);
    return this.expected();
  }

  /** Scales the StatefulSet and waits until this many pods are ready. Creates it if it is missing. */
  async scale(count: number, deadline: Deadline): Promise<Expected> {
    const { target, namespace } = this;
    const path = { namespace, name: "set" };
    if (await found(target.apps.readNamespacedStatefulSet(path))) {
      await target.apps.patchNamespacedStatefulSet({
        ...path,
        body: [{ op: "replace", path: "/spec/replicas", value: count }],
      });
    } else {
      await target.apps.createNamespacedStatefulSet({
        namespace,
        body: {
          metadata: { name: "set" },
          spec: {
            serviceName: "web",
            replicas: count,
            podManagementPolicy: "Parallel",
            selector: { matchLabels: web },
            template: { metadata: { labels: web }, spec: await this.webPod(target) },
          },
        },
      });
    }
    await this.ready(web, count, deadline);
    return this.expected(count);
  }

  /**
   * A headless service over a Deployment, whose pods have no host names. The service is created once the pod is ready.
   * A mirror that sees it without a pod first leaves it empty until the next refresh, up to 60 s later.
   */
  async deployment(deadline: Deadline): Promise<string> {
    const { target, namespace } = this;
    if (!(await found(target.apps.readNamespacedDeployment({ namespace, name: "deploy" })))) {
      await target.apps.createNamespacedDeployment({
        namespace,
        body: {
          metadata: { name: "deploy" },
          spec: {
            selector: { matchLabels: deploy },
            template: { metadata: { labels: deploy }, spec: await this.webPod(target) },
          },
        },
      });
    }
    await this.ready(deploy, 1, deadline);
    await this.service("deploy", deploy, true);
    return mirrorName("deploy", target.name);
  }

  /** An exported headless service without ports, over the StatefulSet's pods. */
  async withoutPorts(name: string): Promise<Service> {
    return this.service(name, web, false);
  }

  /**
   * Exports one more service and watches until it is mirrored. By then the mirror has dealt with all earlier exports
   * that reached it by the same path. So "it was not mirrored" needs no wait of a guessed length.
   */
  async marker(deadline: Deadline): Promise<string | undefined> {
    const name = `marker-${this.markers++}`;
    await this.service(name, web, true);
    const mirror = mirrorName(name, this.target.name);
    return this.until(
      () => (this.services.get(mirror) ? undefined : `${mirror}, exported last, is not mirrored`),
      deadline,
    );
  }

  /**
   * Exports a headless service without pods and with one address of its own. Watches until its mirror lists that
   * address as ready.
   *
   * Then the mirror receives changes of services and endpoints of the target, and has dealt with all earlier ones. It
   * also takes the gateway for alive.
   *
   * @returns a description of the missing mirror at the deadline, or undefined
   */
  async beacon(deadline: Deadline): Promise<string | undefined> {
    const { target, namespace } = this;
    const name = `beacon-${this.beacons++}`;
    const labels = { [exportLabel]: "true" };
    const ports = [{ name: "http", port: 80 }];
    // The host's name differs from the service's, because both have a mirror. Linkerd's controller crashes on an
    // address without targetRef (linkerd2, createHeadlessMirrorEndpoints). TEST-NET-1 (RFC 5737): nobody ever sends
    // requests there.
    const hostname = `${name}-host`;
    const address = { ip: "192.0.2.1", hostname, targetRef: { kind: "Pod", name: hostname, namespace } };
    const subsets = [{ addresses: [address], ports }];
    const headless = { ...labels, "service.kubernetes.io/headless": "" };
    await target.core.createNamespacedService({
      namespace,
      body: { metadata: { name, labels }, spec: { clusterIP: "None", ports } },
    });
    await target.core.createNamespacedEndpoints({ namespace, body: { metadata: { name, labels: headless }, subsets } });
    const mirror = mirrorName(name, target.name);
    const missing = (): string | undefined =>
      addresses(this.endpoints.get(mirror)).some(({ host, ready }) => host === hostname && ready)
        ? undefined
        : `${mirror}, exported just now, is not mirrored`;
    return this.until(missing, deadline);
  }

  /** Creates or re-exports a headless service in the target. */
  private async service(name: string, selector: Record<string, string>, ports: boolean): Promise<Service> {
    const { target, namespace } = this;
    const there = await found(target.core.readNamespacedService({ namespace, name }));
    if (there) return there.metadata?.labels?.[exportLabel] === "true" ? there : this.export(name);
    return target.core.createNamespacedService({
      namespace,
      body: {
        metadata: { name, labels: { ...selector, [exportLabel]: "true" } },
        // The gateway reaches a pod by the pod's own port, so container port and service port are the same.
        spec: { clusterIP: "None", selector, ports: ports ? [{ name: "http", port: 80 }] : undefined },
      },
    });
  }

  export(name: string): Promise<Service> {
    const label = exportLabel.replace("/", "~1");
    const body = [{ op: "add", path: `/metadata/labels/${label}`, value: "true" }];
    return this.target.core.patchNamespacedService({ namespace: this.namespace, name, body });
  }

  unexport(name: string): Promise<Service> {
    const label = exportLabel.replace("/", "~1");
    const body = [{ op: "remove", path: `/metadata/labels/${label}` }];
    return this.target.core.patchNamespacedService({ namespace: this.namespace, name, body });
  }

  async deleteService(name: string): Promise<void> {
    await this.target.core.deleteNamespacedService({ namespace: this.namespace, name });
  }

  /**
   * Starts a meshed pod in the source, to send requests from. Returns its name once it is ready.
   *
   * @param account the service account that gives the pod its identity. Default: the namespace's own
   */
  async curlPod(deadline: Deadline, account = "default"): Promise<string> {
    const { source, namespace } = this;
    const name = account === "default" ? "curl" : `curl-${account}`;
    const image = await curlImageOf(source.core);
    if (account !== "default") {
      await once(source.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: account } } }));
    }
    await this.pod(source, deadline, {
      metadata: { name },
      spec: {
        serviceAccountName: account,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "curl", image, command: ["/bin/sleep", "3600"] }],
      },
    });
    return name;
  }

  /** Starts a meshed web server of one pod, and waits until it is ready. */
  async webServer(cluster: ClusterClient, name: string, deadline: Deadline): Promise<void> {
    await this.pod(cluster, deadline, { metadata: { name, labels: { app: name } }, spec: await this.webPod(cluster) });
  }

  /** A service with an address of its own in front of `webServer(cluster, app)`. The labels export it. */
  async serve(cluster: ClusterClient, name: string, app: string, labels: Record<string, string>): Promise<void> {
    const spec = { selector: { app }, ports: [{ name: "http", port: 80 }] };
    await once(
      cluster.core.createNamespacedService({
        namespace: this.namespace,
        body: { metadata: { name, labels }, spec },
      }),
    );
  }

  /** Watches until a service of this name is in the source. Returns why it is not, at the deadline. */
  mirror(name: string, deadline: Deadline): Promise<string | undefined> {
    return this.until(() => (this.services.get(name) ? undefined : `${name} is not mirrored`), deadline);
  }

  /** Watches until a pod of the target is gone. */
  async gone(pod: string, deadline: Deadline): Promise<void> {
    const still = await until(
      [this.pods],
      () => (this.pods.get(pod) ? `pod ${pod} is still there` : undefined),
      deadline,
    );
    if (still) throw new Error(still);
  }

  private async pod(cluster: ClusterClient, deadline: Deadline, body: Pod): Promise<void> {
    const { namespace } = this;
    const view = cluster === this.source ? this.sourcePods : this.pods;
    const name = body.metadata?.name ?? "";
    await once(cluster.core.createNamespacedPod({ namespace, body }));
    const missing = (): string | undefined => {
      const pod = view.get(name);
      return pod && isReady(pod) ? undefined : `pod ${namespace}/${name} is not ready in ${cluster.name}`;
    };
    await stand([view], missing, deadline);
  }

  private async webPod(cluster: ClusterClient): Promise<{
    terminationGracePeriodSeconds: number;
    containers: { name: string; image: string; ports: { containerPort: number }[] }[];
  }> {
    const image = await imageLike(cluster.core, /(^|\/)nginx[:@]/, webImage);
    return { terminationGracePeriodSeconds: 1, containers: [{ name: "web", image, ports: [{ containerPort: 80 }] }] };
  }

  private async ready(labels: { app: string }, count: number, deadline: Deadline): Promise<void> {
    const missing = (): string | undefined => {
      const pods = this.pods.items().filter((pod) => pod.metadata?.labels?.app === labels.app);
      const ready = pods.filter(isReady).length;
      if (ready === count && pods.length === count) return undefined;
      return `${ready} of ${count} pods of ${labels.app} are ready in ${this.target.name}, namespace ${this.namespace}`;
    };
    await stand([this.pods], missing, deadline);
  }
}

/** Creates an object unless an earlier check of this run made it. */
async function once(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
  }
}

/** Watches until workloads are ready, then restarts the check's deadline. */
async function stand(views: View<Pod>[], missing: () => string | undefined, deadline: Deadline): Promise<void> {
  const still = await until(views, missing, new Deadline(standWithinSeconds, deadline.signal));
  if (still) throw new Error(still);
  deadline.restart();
}
