import { kubectl, named } from "./api";
import { no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { addressFault, endpointMirrorFault, rootFault, traces, type Expected, type Mirrored } from "./mirroredServices";
import type { TestNamespace } from "./testNamespaces";
import { noMirror } from "./simulated";

/** Seen with real pods: 0.3 s to re-export, 10 s to scale up by two with pod start. The rest is for slow machines. */
const deadlineSeconds = 60;

/** Why a StatefulSet is not completely mirrored, or undefined. */
export function wholeFault(mirrored: Mirrored, expected: Expected): string | undefined {
  return rootFault(mirrored, expected) ?? endpointMirrorFault(mirrored, expected) ?? addressFault(mirrored, expected);
}

export function goneFault(mirrored: Mirrored, expected: Expected): string | undefined {
  const left = traces(mirrored, expected);
  return left.length > 0 ? `still there: ${left.join(", ")}` : undefined;
}

interface MirrorStep {
  id: string;
  title: string;
  yes: string;
  /** Prepares the test namespace and asks the question. Returns the fault, or undefined. */
  ask(testNamespace: TestNamespace, context: LinkContext): Promise<string | undefined>;
}

const steps: MirrorStep[] = [
  {
    id: "mirror.headless",
    title: "Is the mirror of a StatefulSet's service headless?",
    yes: "web of the target is mirrored, headless and labelled",
    async ask(testNamespace, { deadline }) {
      const expected = await testNamespace.statefulSet(deadline);
      return testNamespace.until(() => rootFault(testNamespace.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.endpoint-mirrors",
    title: "Is there one endpoint mirror per pod?",
    yes: "each ready pod has a service of its own that stands for it",
    async ask(testNamespace, { deadline }) {
      const expected = await testNamespace.statefulSet(deadline);
      return testNamespace.until(() => endpointMirrorFault(testNamespace.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.addresses",
    title: "Does the headless name list every pod at its endpoint mirror?",
    yes: "the mirror's endpoints name each pod, ready, at the address of its endpoint mirror",
    async ask(testNamespace, { deadline }) {
      const expected = await testNamespace.statefulSet(deadline);
      return testNamespace.until(() => addressFault(testNamespace.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.unexport",
    title: "Does unexporting clean up?",
    yes: "the mirror and all its endpoint mirrors are gone",
    async ask(testNamespace, { deadline }) {
      const expected = await testNamespace.statefulSet(deadline);
      const before = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), expected), deadline);
      if (before) return `not whole before the clean-up: ${before}`;
      await testNamespace.unexport("web");
      return testNamespace.until(() => goneFault(testNamespace.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.reexport",
    title: "Does exporting again mirror again?",
    yes: "the mirror came back whole",
    async ask(testNamespace, { deadline }) {
      const expected = await testNamespace.statefulSet(deadline);
      const before = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), expected), deadline);
      // This already fails if an earlier check removed the mirror and it does not come back.
      if (before) return `after an export: ${before}`;
      await testNamespace.unexport("web");
      const left = await testNamespace.until(() => goneFault(testNamespace.mirrored(), expected), deadline);
      if (left) return `it was never removed, so it cannot come back: ${left}`;
      await testNamespace.export("web");
      return testNamespace.until(() => wholeFault(testNamespace.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.scale-up",
    title: "Does scaling up add endpoint mirrors?",
    yes: "the new pod has its endpoint mirror and is listed",
    async ask(testNamespace, { deadline }) {
      const few = await testNamespace.statefulSet(deadline);
      const before = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), few), deadline);
      if (before) return `not whole before scaling: ${before}`;
      const many = await testNamespace.scale(few.pods.length + 1, deadline);
      return testNamespace.until(() => wholeFault(testNamespace.mirrored(), many), deadline);
    },
  },
  {
    id: "mirror.scale-down",
    title: "Does scaling down remove endpoint mirrors?",
    yes: "the removed pod's endpoint mirror is gone, and nothing lists it any more",
    async ask(testNamespace, { deadline }) {
      const few = await testNamespace.statefulSet(deadline);
      const many = await testNamespace.scale(few.pods.length + 1, deadline);
      const before = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), many), deadline);
      if (before) return `not whole before scaling: ${before}`;
      await testNamespace.scale(few.pods.length, deadline);
      return testNamespace.until(() => wholeFault(testNamespace.mirrored(), few), deadline);
    },
  },
  {
    id: "mirror.delete",
    title: "Does deleting the service clean up?",
    yes: "the mirror and all its endpoint mirrors are gone",
    async ask(testNamespace, { deadline }) {
      const expected = await testNamespace.statefulSet(deadline);
      const before = await testNamespace.until(() => wholeFault(testNamespace.mirrored(), expected), deadline);
      if (before) return `not whole before the clean-up: ${before}`;
      await testNamespace.deleteService("web");
      return testNamespace.until(() => goneFault(testNamespace.mirrored(), expected), deadline);
    },
  },
];

/** Group 1 of "How to test" in the demo: https://github.com/linkerd/l2d-k3d-statefulset#how-to-test */
export const mirrorChecks: LinkCheck[] = steps.map((step) => ({
  id: step.id,
  group: "mirror",
  scope: "link",
  title: step.title,
  deadlineSeconds,
  applies: noMirror,
  async run(context): Promise<Finding> {
    const testNamespace = await context.testNamespaces.of(context.link, context.deadline);
    const fault = await step.ask(testNamespace, context);
    const { source, target } = context;
    const objects = [
      named(target, "service", { metadata: { namespace: testNamespace.namespace, name: "web" } }),
      named(source, "service", { metadata: { namespace: testNamespace.namespace, name: `web-${target.name}` } }),
    ];
    const remark = testNamespace.remark();
    return fault ? no(fault, objects, controllerLogs(context)) : yes(step.yes, objects, remark);
  },
}));

/** Only its log shows the actions and refusals of a service mirror. */
export function controllerLogs({ source, link }: LinkContext): string {
  return kubectl(source, `-n linkerd-multicluster logs deploy/controller-${link.target} -c controller`);
}
