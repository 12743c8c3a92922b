import { named, type Event, type Service } from "./api";
import { no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { controllerLogs, wholeFault } from "./mirror";
import { addresses, isHeadless, mirrorName, type Expected } from "./mirroredServices";
import type { TestNamespace } from "./testNamespaces";
import { noMirror } from "./simulated";

/** The demo calls it `SkippedMirroring`. linkerd2's cluster_watcher.go now says `ServiceMirroringSkipped`. */
const skipReasons = ["ServiceMirroringSkipped", "SkippedMirroring"];

const deadlineSeconds = 90;

async function skipEvent(testNamespace: TestNamespace, { deadline }: LinkContext): Promise<string | undefined> {
  await testNamespace.statefulSet(deadline);
  const service = await testNamespace.withoutPorts("no-ports-event");
  return testNamespace.until(() => eventFault(testNamespace.events.items(), service), deadline, [testNamespace.events]);
}

/** Why no event tells the service's owner that the mirror skips it, or undefined. */
export function eventFault(events: readonly Event[], { metadata }: Service): string | undefined {
  const { name, uid } = metadata ?? {};
  const skips = events.filter((event) => skipReasons.includes(event.reason ?? ""));
  const ofService = events.filter(
    ({ involvedObject }) => involvedObject.kind === "Service" && involvedObject.uid === uid,
  );
  if (skips.some((event) => ofService.includes(event))) return undefined;
  if (ofService.length > 0) return `service ${name} has only ${ofService.map((event) => event.reason).join(", ")}`;
  const elsewhere = skips.map(({ involvedObject: { kind, name } }) => `${kind} ${name}`);
  const where = elsewhere.length > 0 ? `, it is on ${elsewhere.join(", ")}` : "";
  return `no event ${skipReasons[0]} on service ${name}${where}`;
}

async function skipMirror(
  testNamespace: TestNamespace,
  { deadline, target }: LinkContext,
): Promise<string | undefined> {
  const expected = await testNamespace.statefulSet(deadline);
  const before = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), expected), deadline);
  if (before) return `the service mirror does not keep up: ${before}`;
  await testNamespace.withoutPorts("no-ports");
  const unmarked = await testNamespace.marker(deadline);
  if (unmarked) return unmarked;
  const mirror = testNamespace.services.get(mirrorName("no-ports", target.name));
  return mirror && `${mirror.metadata?.name} was made, with clusterIP ${mirror.spec?.clusterIP}`;
}

/** Why the Deployment's service is not mirrored with an address of its own, or undefined. */
function clusterIpFault(testNamespace: TestNamespace, name: string): string | undefined {
  const mirror = testNamespace.services.get(name);
  if (!mirror) return `there is no service ${name}`;
  if (isHeadless(mirror)) return `${name} is headless, though its pods have no host names`;
  const ready = addresses(testNamespace.endpoints.get(name)).some((address) => address.ready);
  return ready ? undefined : `${name} has no ready address`;
}

async function deployment(testNamespace: TestNamespace, { deadline }: LinkContext): Promise<string | undefined> {
  const mirror = await testNamespace.deployment(deadline);
  return testNamespace.until(() => clusterIpFault(testNamespace, mirror), deadline);
}

/** Ends the Deployment's service in the target: its mirror must go, and nothing else may change. */
function ending(end: (testNamespace: TestNamespace) => Promise<unknown>) {
  return async (testNamespace: TestNamespace, { deadline }: LinkContext): Promise<string | undefined> => {
    const expected = await testNamespace.statefulSet(deadline);
    const mirror = await testNamespace.deployment(deadline);
    const before = await testNamespace.until(
      () => clusterIpFault(testNamespace, mirror) ?? wholeFault(testNamespace.mirrored(), expected),
      deadline,
    );
    if (before) return `not whole before: ${before}`;
    const others = identities(testNamespace, expected);
    await end(testNamespace);
    const left = await testNamespace.until(
      () =>
        (testNamespace.services.get(mirror) ?? testNamespace.endpoints.get(mirror))
          ? `${mirror} is still there`
          : undefined,
      deadline,
    );
    if (left) return left;
    const unmarked = await testNamespace.marker(deadline);
    if (unmarked) return unmarked;
    const harmed = wholeFault(testNamespace.mirrored(), expected);
    if (harmed) return `the StatefulSet's mirrors were harmed: ${harmed}`;
    return identities(testNamespace, expected) === others ? undefined : "the StatefulSet's mirrors were recreated";
  };
}

function identities(testNamespace: TestNamespace, { service, pods, target }: Expected): string {
  return [service, ...pods]
    .map((name) => testNamespace.services.get(mirrorName(name, target))?.metadata?.uid)
    .join(" ");
}

interface Question {
  id: string;
  title: string;
  yes: string;
  service: string;
  ask(testNamespace: TestNamespace, context: LinkContext): Promise<string | undefined>;
}

const questions: Question[] = [
  {
    id: "validation.no-ports-event",
    title: "Is a headless service without ports skipped with an event on it?",
    yes: "the skip is an event on the target's service",
    service: "no-ports-event",
    ask: skipEvent,
  },
  {
    id: "validation.no-ports-mirror",
    title: "Is a headless service without ports left alone?",
    yes: "a service exported after it was mirrored, it was not",
    service: "no-ports",
    ask: skipMirror,
  },
  {
    id: "validation.deployment",
    title: "Is a headless service over a Deployment mirrored as clusterIP?",
    yes: "its mirror has an address of its own and a ready endpoint",
    service: "deploy",
    ask: deployment,
  },
  {
    id: "validation.deployment-unexport",
    title: "Does unexporting it remove its mirror and nothing else?",
    yes: "its mirror is gone, the StatefulSet's are the very same",
    service: "deploy",
    ask: ending((testNamespace) => testNamespace.unexport("deploy")),
  },
  {
    id: "validation.deployment-delete",
    title: "Does deleting it remove its mirror and nothing else?",
    yes: "its mirror is gone, the StatefulSet's are the very same",
    service: "deploy",
    ask: ending((testNamespace) => testNamespace.deleteService("deploy")),
  },
];

/** Group 3 of "How to test" in the demo: https://github.com/linkerd/l2d-k3d-statefulset#how-to-test */
export const validationChecks: LinkCheck[] = questions.map((question) => ({
  id: question.id,
  group: "validation",
  scope: "link",
  title: question.title,
  deadlineSeconds,
  applies: noMirror,
  async run(context): Promise<Finding> {
    const { source, target } = context;
    const testNamespace = await context.testNamespaces.of(context.link, context.deadline);
    const fault = await question.ask(testNamespace, context);
    const { namespace } = testNamespace;
    const objects = [
      named(target, "service", { metadata: { namespace, name: question.service } }),
      named(source, "service", { metadata: { namespace, name: mirrorName(question.service, target.name) } }),
    ];
    const remark = testNamespace.remark();
    return fault ? no(fault, objects, controllerLogs(context)) : yes(question.yes, objects, remark);
  },
}));
