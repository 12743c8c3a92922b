import { controlPlane, extension, found, linksOf, named, type Link, type Service } from "./api";
import { always, no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { credentialsName } from "./credentials";
import { fieldFaults, type Field } from "./fields";
import { gateway, gatewayIdentity, portOf } from "./gateway";
import { selectorFaults } from "./selectors";

/** `linkerd multicluster link` makes a probeSpec from these annotations of the gateway's Service. */
const probePath = "mirror.linkerd.io/probe-path";
const probePeriod = "mirror.linkerd.io/probe-period";

function portField(name: string, seen: string | undefined, service: Service, port: string): Field {
  const expected = portOf(service, port);
  return expected === undefined
    ? { name: `port ${port} of the gateway's Service`, seen: undefined, expected: `the port for ${name}` }
    : { name, seen, expected };
}

type Ends = Pick<LinkContext, "source" | "target">;

/** Names by which the link's controller, and the control plane, find the target. */
function nameFields({ spec }: Link, { target }: Ends): Field[] {
  return [
    { name: "targetClusterName", seen: spec.targetClusterName, expected: target.name },
    { name: "targetClusterDomain", seen: spec.targetClusterDomain, expected: target.domain },
    { name: "targetClusterLinkerdNamespace", seen: spec.targetClusterLinkerdNamespace, expected: controlPlane },
    { name: "clusterCredentialsSecret", seen: spec.clusterCredentialsSecret, expected: credentialsName(target.name) },
  ];
}

/** The address to which the source's proxies send requests, and the identity that they expect there. */
export function gatewayFields({ spec }: Link, { target }: Ends, service: Service): Field[] {
  return [
    { name: "gatewayAddress", seen: spec.gatewayAddress, expected: target.gateway },
    portField("gatewayPort", spec.gatewayPort, service, "mc-gateway"),
    { name: "gatewayIdentity", seen: spec.gatewayIdentity, expected: gatewayIdentity(target) },
  ];
}

const unit: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** The seconds of a Go duration, or undefined if Go could not parse it. Example: `1m30s` */
export function durationSeconds(text: string | undefined): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text ?? "")) return undefined;
  const parts = [...(text ?? "").matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  return parts.reduce((sum, [, number, name]) => sum + Number(number) * (unit[name ?? ""] ?? 0), 0);
}

/**
 * The probe by which the source's controller sees whether the gateway is alive. A dead gateway gets no traffic. The
 * controller probes nothing when it cannot read a field: linkerd2's probe_worker.go.
 */
export function probeFields({ spec: { probeSpec = {} } }: Link, service: Service, probe: Service | undefined): Field[] {
  const { path, port, period, timeout, failureThreshold } = probeSpec;
  const annotations = service.metadata?.annotations ?? {};
  // Seconds, or a duration: extractProbeSpec in linkerd2's link-gen.go.
  const told = annotations[probePeriod] ?? "3";
  const wanted = /^\d+$/.test(told) ? `${told}s` : told;
  const same = durationSeconds(period) !== undefined && durationSeconds(period) === durationSeconds(wanted);
  const ofProbe = probe?.spec?.ports?.[0]?.port;
  return [
    { name: "probeSpec.path", seen: path, expected: annotations[probePath] ?? "/ready" },
    portField("probeSpec.port", port, service, "mc-probe"),
    { name: "probeSpec.period", seen: period, expected: same ? (period ?? wanted) : wanted },
    // The CustomResourceDefinition has defaults for both.
    ...readable("timeout", timeout, durationSeconds(timeout) !== undefined, "30s"),
    ...readable("failureThreshold", failureThreshold, /^\d+$/.test(failureThreshold ?? ""), "3"),
    portField(`port of ${probe?.metadata?.name ?? "the probe's Service"}`, ofProbe?.toString(), service, "mc-probe"),
  ];
}

function readable(name: string, seen: string | undefined, valid: boolean, expected: string): Field[] {
  return seen === undefined || valid ? [] : [{ name: `probeSpec.${name}`, seen, expected }];
}

interface Question {
  id: string;
  title: string;
  yes: string;
  /** Objects that are compared with the Link. */
  objects?: (context: LinkContext) => string[];
  faults: (link: Link, context: LinkContext) => string[] | Promise<string[]>;
}

const gatewayObject = ({ target }: LinkContext): string => named(target, "service", { metadata: gateway });

const questions: Question[] = [
  {
    id: "health.link",
    title: "Is there a Link, named after its target?",
    yes: "its names, domain, namespace and secret are in order",
    faults: (link, context) => fieldFaults(nameFields(link, context)),
  },
  {
    id: "health.link-gateway",
    title: "Does the Link name the target's gateway and its identity?",
    yes: "address, port and identity are the target's",
    objects: (context) => [gatewayObject(context)],
    faults: (link, context) => withGateway(context, (service) => gatewayFields(link, context, service)),
  },
  {
    id: "health.link-probe",
    title: "Does the Link probe the gateway where it answers?",
    yes: "path, port and period are the gateway's",
    objects: (context) => [gatewayObject(context), named(context.source, "service", { metadata: probeOf(context) })],
    faults: async (link, context) => {
      const probe = await found(context.source.core.readNamespacedService(probeOf(context)));
      if (!probe) return [`there is no service ${probeOf(context).name}`];
      return withGateway(context, (service) => probeFields(link, service, probe));
    },
  },
  {
    id: "health.link-selectors",
    title: "Do the Link's selectors match exactly the export labels?",
    yes: "each of the three modes has its own label",
    faults: ({ spec }) => selectorFaults(spec),
  },
];

const probeOf = ({ link }: LinkContext) => ({ namespace: extension, name: `probe-${link.target}` });

async function withGateway({ target }: LinkContext, fields: (service: Service) => Field[]): Promise<string[]> {
  const service = await found(target.core.readNamespacedService(gateway));
  return service ? fieldFaults(fields(service)) : [`there is no service ${gateway.name} in ${target.name}`];
}

/** Checks of the Link's fields that the mesh depends on. */
export const linkChecks = questions.map(
  ({ id, title, yes: inOrder, objects: more = () => [], faults: look }): LinkCheck => ({
    id,
    group: "health",
    scope: "link",
    title,
    deadlineSeconds: 15,
    applies: always,
    async run(context): Promise<Finding> {
      const { source, link, stack } = context;
      const name = link.target;
      const objects = [named(source, "link", { metadata: { namespace: extension, name } }), ...more(context)];
      const next = `npm start -- ${stack.name} --refresh`;
      const object = (await linksOf(source)).find(({ metadata }) => metadata.name === name);
      if (!object) return no(`there is no Link ${name}`, objects, next);
      const faults = await look(object, context);
      return faults.length > 0 ? no(faults.join("; "), objects, next) : yes(inOrder, objects);
    },
  }),
);
