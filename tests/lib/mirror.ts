import {
  extension,
  found,
  statusOf,
  type ClusterClient,
  type Endpoints,
  type KubernetesObject,
  type Service,
} from "../../verify/api";
import {
  addresses,
  clusterLabel,
  exportLabel,
  headlessOfLabel,
  isHeadless,
  mirroredLabel,
  mirrorName,
  nameOnTarget,
} from "../../verify/mirroredServices";
import { View } from "../../verify/watch";

/** What a faulty mirror does wrong, one at a time. */
export type Fault =
  | "not headless"
  | "endpoint mirror missing"
  | "endpoint mirror headless"
  | "endpoint mirror unlabelled"
  | "endpoint mirror stands for another pod"
  | "endpoint mirror without address"
  | "host names missing"
  | "headless endpoints not ready"
  | "headless endpoints overwritten"
  | "unexport ignored"
  | "unexport leaves endpoint mirrors"
  | "delete ignored"
  | "delete leaves endpoint mirrors"
  | "never re-created"
  | "scale up ignored"
  | "scale down ignored"
  | "scale down still listed"
  | "no event"
  | "event on another object"
  | "event with another reason"
  | "mirrored without ports"
  | "Deployment not mirrored"
  | "Deployment mirrored headless"
  | "clusterIP mirror left behind"
  | "clean-up harms others"
  | "clusterIP mirror empty"
  | "stale gateway"
  | "nothing mirrored";

interface Options {
  source: ClusterClient;
  target: ClusterClient;
  gateway: { ip: string; port: number };
  /** The fault in a namespace; undefined is the good mirror. */
  fault?: (namespace: string) => Fault | undefined;
}

interface Wanted {
  service: Service;
  endpoints: () => Endpoints;
}

/**
 * A stand-in for Linkerd's service mirror, for tests only: it watches both clusters and brings the source's mirrors to
 * what the target exports. It leaves unproved how the real one comes there, its times, its log and its metrics.
 */
export class TestMirror {
  private running: Promise<void> = Promise.resolve();
  private again = false;
  private busy = false;
  private stopped = false;
  private retry: NodeJS.Timeout | undefined;
  private readonly skipped = new Set<string>();
  private readonly seenWhole = new Map<string, Set<string>>();
  private readonly everRemoved = new Set<string>();

  private constructor(
    private readonly options: Options,
    private readonly namespaces: View<KubernetesObject>,
    private readonly services: View<Service>,
    private readonly endpoints: View<Endpoints>,
  ) {}

  static async start(options: Options): Promise<TestMirror> {
    const { source, target, gateway } = options;
    const [namespaces, services, endpoints] = await Promise.all([
      View.open<KubernetesObject>(source, "/api/v1/namespaces", () => source.core.listNamespace()),
      View.open(target, "/api/v1/services", () => target.core.listServiceForAllNamespaces()),
      View.open(target, "/api/v1/endpoints", () => target.core.listEndpointsForAllNamespaces()),
    ]);
    const mirror = new TestMirror(options, namespaces, services, endpoints);
    const probe = { namespace: extension, name: `probe-${target.name}` };
    await put(source, { metadata: probe, subsets: [{ addresses: [{ ip: gateway.ip }], ports: [{ port: 4191 }] }] });
    for (const view of [namespaces, services, endpoints]) view.listen(() => mirror.changed());
    mirror.changed();
    return mirror;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    await Promise.all([this.namespaces, this.services, this.endpoints].map((view) => view.close()));
    await this.running;
  }

  /** Looks again, after a test changed or made a fault. */
  changed(): void {
    this.again = true;
    if (this.busy || this.stopped) return;
    this.busy = true;
    this.running = this.work().finally(() => {
      this.busy = false;
    });
  }

  /** Returns once everything seen so far has been dealt with. */
  async settled(): Promise<void> {
    this.changed();
    await this.running;
  }

  private async work(): Promise<void> {
    while (this.again && !this.stopped) {
      this.again = false;
      await this.sync();
    }
  }

  /**
   * One after the other, as the real one works off its queue: what was exported later is mirrored later. A namespace that ends
   * under it, or a conflict, must not keep the others waiting: it looks again a little later.
   */
  private async each<T>(items: readonly T[], change: (item: T) => Promise<unknown>): Promise<void> {
    for (const item of items) {
      try {
        await change(item);
      } catch (error) {
        if (![403, 404, 409].includes(statusOf(error) ?? 0)) throw error;
        clearTimeout(this.retry);
        if (!this.stopped) this.retry = setTimeout(() => this.changed(), 100);
      }
    }
  }

  private async sync(): Promise<void> {
    const { source } = this.options;
    const labelSelector = `${mirroredLabel}=true,${clusterLabel}=${this.options.target.name}`;
    const [services, endpoints] = await Promise.all([
      source.core.listServiceForAllNamespaces({ labelSelector }),
      source.core.listEndpointsForAllNamespaces({ labelSelector }),
    ]);
    const actual = new Map(services.items.map((service) => [key(service), service]));
    const wanted = await this.wanted();
    const surplus = [...actual].filter(([id, service]) => !wanted.has(id) && !this.keeps(service));
    await this.each(surplus, async ([id, service]) => {
      await found(source.core.deleteNamespacedService(pathOf(service)));
      await found(source.core.deleteNamespacedEndpoints(pathOf(service)));
      this.everRemoved.add(id);
    });
    const missing = [...wanted].filter(([id]) => !actual.has(id));
    await this.each(missing, async ([id, { service: body }]) => {
      actual.set(id, await source.core.createNamespacedService({ namespace: pathOf(body).namespace, body }));
    });
    this.addressOf = (namespace, name) => {
      const service = actual.get(`${namespace}/${name}`);
      return service && !isHeadless(service) ? (service.spec?.clusterIP ?? "") : "";
    };
    const present = new Map(endpoints.items.map((object) => [key(object), object]));
    const changed = [...wanted]
      .filter(([id]) => actual.has(id))
      .map(([id, { endpoints: make }]) => ({ id, object: make() }))
      .filter(({ id, object }) => !same(present.get(id), object));
    await this.each(changed, ({ object }) => put(source, object));
  }

  private addressOf: (namespace: string, name: string) => string = () => "";

  /** Mirrors that should be deleted but stay, because of their namespace's fault. */
  private keeps(service: Service): boolean {
    const { namespace, name } = pathOf(service);
    const fault = this.options.fault?.(namespace);
    const root = service.metadata?.labels?.[headlessOfLabel];
    const exported = this.services.items().find((one) => key(one) === `${namespace}/${this.original(root ?? name)}`);
    // The endpoints of a deleted service may be seen to go first: two watches have no order.
    const deleted = exported === undefined || !this.endpoints.items().some((one) => key(one) === key(exported));
    switch (fault) {
      case "unexport ignored":
        return exported !== undefined;
      case "unexport leaves endpoint mirrors":
        return exported !== undefined && root !== undefined;
      case "delete ignored":
        return deleted;
      case "delete leaves endpoint mirrors":
        return deleted && root !== undefined;
      case "scale down ignored":
        return root !== undefined && exported?.metadata?.labels?.[exportLabel] === "true";
      case "clusterIP mirror left behind":
        return root === undefined && !isHeadless(service);
      default:
        return false;
    }
  }

  private original(mirror: string): string {
    return mirror.slice(0, -this.options.target.name.length - 1);
  }

  private async wanted(): Promise<Map<string, Wanted>> {
    const namespaces = new Set(
      this.namespaces
        .items()
        .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
        .map(({ metadata }) => metadata?.name),
    );
    const wanted = new Map<string, Wanted>();
    for (const service of this.services.items()) {
      const { namespace } = pathOf(service);
      if (service.metadata?.labels?.[exportLabel] !== "true" || !namespaces.has(namespace)) continue;
      for (const one of await this.mirrorsOf(service)) wanted.set(key(one.service), one);
    }
    return wanted;
  }

  private async mirrorsOf(service: Service): Promise<Wanted[]> {
    const { namespace, name } = pathOf(service);
    const fault = this.options.fault?.(namespace);
    if (fault === "nothing mirrored") return [];
    if (!isHeadless(service)) return [this.gatewayMirror(service, name, {})];
    if ((service.spec?.ports ?? []).length === 0) {
      await this.skip(service);
      if (fault !== "mirrored without ports") return [];
      return [this.gatewayMirror({ ...service, spec: { ...service.spec, ports: [{ port: 80 }] } }, name, {})];
    }
    const target = this.endpoints.items().find((endpoints) => key(endpoints) === key(service));
    const all = addresses(target);
    if (all.length === 0) return [];
    if (all.every(({ host }) => host === undefined)) return this.deploymentMirror(service, fault);
    const ready = all.flatMap(({ host, ready }) => (host !== undefined && ready ? [host] : [])).sort();
    return this.headlessMirror(service, this.hosts(service, ready, fault), fault);
  }

  private deploymentMirror(service: Service, fault: Fault | undefined): Wanted[] {
    const { name } = pathOf(service);
    if (fault === "Deployment not mirrored" && name === "deploy") return [];
    if (fault === "Deployment mirrored headless") return this.headlessMirror(service, [], undefined);
    return [this.gatewayMirror(service, name, {})];
  }

  /** Which pods get an endpoint mirror. */
  private hosts(service: Service, ready: string[], fault: Fault | undefined): string[] {
    const id = key(service);
    const whole = this.seenWhole.get(id);
    if (ready.length >= 2 && !whole) this.seenWhole.set(id, new Set(ready));
    if (fault === "scale up ignored" && whole) return ready.filter((host) => whole.has(host));
    if (fault === "endpoint mirror missing") return ready.filter((host) => !host.endsWith("-1"));
    return ready;
  }

  private headlessMirror(service: Service, hosts: string[], fault: Fault | undefined): Wanted[] {
    const { namespace, name } = pathOf(service);
    const { target, gateway } = this.options;
    const root = mirrorName(name, target.name);
    if (fault === "never re-created" && this.everRemoved.has(`${namespace}/${root}`)) return [];
    if (fault === "clean-up harms others" && this.everRemoved.has(`${namespace}/${mirrorName("deploy", target.name)}`))
      return [];
    const pods = hosts.map((host, i): Wanted => {
      const labels: Record<string, string> = fault === "endpoint mirror unlabelled" ? {} : { [headlessOfLabel]: root };
      const stands = fault === "endpoint mirror stands for another pod" ? (hosts[i - 1] ?? hosts.at(-1) ?? host) : host;
      return this.gatewayMirror(service, host, labels, `${stands}.${name}`);
    });
    const ports = (service.spec?.ports ?? []).map(({ name: port, port: number }) => ({ name: port, port: number }));
    const listed = fault === "scale down still listed" ? this.everHosts(namespace, root, hosts) : hosts;
    const entries = (): { hostname?: string; ip: string }[] => {
      if (fault === "headless endpoints overwritten") return [{ ip: gateway.ip }];
      return listed
        .map((host) => ({
          hostname: host,
          ip: this.addressOf(namespace, mirrorName(host, target.name)) || "192.0.2.250",
        }))
        .map(({ hostname, ip }) => (fault === "host names missing" ? { ip } : { hostname, ip }));
    };
    const addressKind = fault === "headless endpoints not ready" ? "notReadyAddresses" : "addresses";
    return [
      {
        service: this.mirror(service, root, {}, name, fault !== "not headless"),
        endpoints: () => {
          const list = entries();
          return this.points(service, root, {}, list.length > 0 ? [{ [addressKind]: list, ports }] : []);
        },
      },
      ...pods,
    ];
  }

  private readonly hostsEver = new Map<string, Set<string>>();

  private everHosts(namespace: string, root: string, hosts: string[]): string[] {
    const ever = this.hostsEver.get(`${namespace}/${root}`) ?? new Set<string>();
    for (const host of hosts) ever.add(host);
    this.hostsEver.set(`${namespace}/${root}`, ever);
    return [...ever];
  }

  /** A service with an address of its own whose endpoints are the gateway. */
  private gatewayMirror(service: Service, name: string, labels: Record<string, string>, stands = name): Wanted {
    const { target, gateway } = this.options;
    const fault = this.options.fault?.(pathOf(service).namespace);
    const mirror = mirrorName(name, target.name);
    const perPod = stands !== name;
    const headless = fault === "endpoint mirror headless" && perPod;
    const empty =
      (fault === "endpoint mirror without address" && perPod) || (fault === "clusterIP mirror empty" && !perPod);
    const ip = fault === "stale gateway" ? "192.0.2.99" : gateway.ip;
    const ports = (service.spec?.ports ?? []).map(({ name: port }) => ({ name: port, port: gateway.port }));
    return {
      service: this.mirror(service, mirror, labels, stands, headless),
      endpoints: () => this.points(service, mirror, labels, empty ? [] : [{ addresses: [{ ip }], ports }]),
    };
  }

  private mirror(
    service: Service,
    name: string,
    labels: Record<string, string>,
    stands: string,
    headless: boolean,
  ): Service {
    const { namespace } = pathOf(service);
    const { target } = this.options;
    return {
      metadata: {
        namespace,
        name,
        labels: { [mirroredLabel]: "true", [clusterLabel]: target.name, ...labels },
        annotations: { [nameOnTarget]: `${stands}.${namespace}.svc.${target.domain}` },
      },
      spec: { clusterIP: headless ? "None" : undefined, ports: service.spec?.ports },
    };
  }

  private points(
    service: Service,
    name: string,
    labels: Record<string, string>,
    subsets: Endpoints["subsets"],
  ): Endpoints {
    const { namespace } = pathOf(service);
    const own = { [mirroredLabel]: "true", [clusterLabel]: this.options.target.name };
    return { metadata: { namespace, name, labels: { ...own, ...labels } }, subsets };
  }

  /** Once per service: the real mirror's recorder counts repetitions. */
  private async skip({ metadata }: Service): Promise<void> {
    const { uid = "", name, namespace = "" } = metadata ?? {};
    const fault = this.options.fault?.(namespace);
    if (this.skipped.has(uid) || fault === "no event") return;
    this.skipped.add(uid);
    const elsewhere = fault === "event on another object";
    const { target } = this.options;
    await target.core.createNamespacedEvent({
      namespace,
      body: {
        metadata: { generateName: `${name}.`, namespace },
        involvedObject: {
          kind: elsewhere ? "Endpoints" : "Service",
          namespace,
          name,
          uid: elsewhere ? undefined : uid,
        },
        reason: fault === "event with another reason" ? "Mirrored" : "ServiceMirroringSkipped",
        message: "Skipped mirroring service: object spec has no exposed ports",
        type: "Normal",
        source: { component: `linkerd-service-mirror-${target.name}` },
        firstTimestamp: new Date(),
        lastTimestamp: new Date(),
      },
    });
  }
}

function pathOf({ metadata }: KubernetesObject): { namespace: string; name: string } {
  return { namespace: metadata?.namespace ?? "", name: metadata?.name ?? "" };
}

function key(object: KubernetesObject): string {
  const { namespace, name } = pathOf(object);
  return `${namespace}/${name}`;
}

function same(a: Endpoints | undefined, b: Endpoints): boolean {
  const facts = (object: Endpoints | undefined): string => JSON.stringify([object === undefined, addresses(object)]);
  return facts(a) === facts(b);
}

async function put(cluster: ClusterClient, body: Endpoints): Promise<void> {
  const path = pathOf(body);
  if (await found(cluster.core.readNamespacedEndpoints(path))) {
    await cluster.core.replaceNamespacedEndpoints({ ...path, body });
  } else {
    await cluster.core.createNamespacedEndpoints({ namespace: path.namespace, body });
  }
}
