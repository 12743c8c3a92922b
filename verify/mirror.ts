import { kubectl, named } from "./api";
import { no, yes, type Finding, type LinkCheck, type LinkContext } from "./check";
import { addressFault, endpointMirrorFault, rootFault, traces, type Expected, type Mirrored } from "./mirrors";
import type { Room } from "./sandbox";
import { noMirror } from "./simulated";

/** Seen with real pods: 0.3 s to re-export, 10 s to scale up by two, pod start included. The rest is for slow machines. */
const deadlineSeconds = 60;

/** Everything that a well mirrored StatefulSet has. */
export function wholeFault(mirrored: Mirrored, expected: Expected): string | undefined {
  return rootFault(mirrored, expected) ?? endpointMirrorFault(mirrored, expected) ?? addressFault(mirrored, expected);
}

export function goneFault(mirrored: Mirrored, expected: Expected): string | undefined {
  const left = traces(mirrored, expected);
  return left.length > 0 ? `still there: ${left.join(", ")}` : undefined;
}

interface Step {
  id: string;
  title: string;
  yes: string;
  /** Brings the room where the question starts. What it returns goes to `ask`; a reason why it cannot be asked ends it. */
  ask(room: Room, context: LinkContext): Promise<string | undefined>;
}

const steps: Step[] = [
  {
    id: "mirror.headless",
    title: "Is the mirror of a StatefulSet's service headless?",
    yes: "web of the target is mirrored, headless and labelled",
    async ask(room, { deadline }) {
      const expected = await room.statefulSet(deadline);
      return room.until(() => rootFault(room.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.endpoint-mirrors",
    title: "Is there one endpoint mirror a pod?",
    yes: "each ready pod has a service of its own that stands for it",
    async ask(room, { deadline }) {
      const expected = await room.statefulSet(deadline);
      return room.until(() => endpointMirrorFault(room.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.addresses",
    title: "Does the headless name list every pod at its endpoint mirror?",
    yes: "the mirror's endpoints name each pod, ready, at the address of its endpoint mirror",
    async ask(room, { deadline }) {
      const expected = await room.statefulSet(deadline);
      return room.until(() => addressFault(room.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.unexport",
    title: "Does unexporting clean up?",
    yes: "the mirror and all its endpoint mirrors went",
    async ask(room, { deadline }) {
      const expected = await room.statefulSet(deadline);
      const before = await room.until(() => wholeFault(room.mirrored(), expected), deadline);
      if (before) return `nothing whole to clean up: ${before}`;
      await room.unexport("web");
      return room.until(() => goneFault(room.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.reexport",
    title: "Does exporting again mirror again?",
    yes: "the mirror came back whole",
    async ask(room, { deadline }) {
      const expected = await room.statefulSet(deadline);
      const before = await room.until(() => wholeFault(room.mirrored(), expected), deadline);
      // A mirror that was taken away once and does not come back shows here already.
      if (before) return `after an export: ${before}`;
      await room.unexport("web");
      const left = await room.until(() => goneFault(room.mirrored(), expected), deadline);
      if (left) return `it never went, so it cannot come back: ${left}`;
      await room.export("web");
      return room.until(() => wholeFault(room.mirrored(), expected), deadline);
    },
  },
  {
    id: "mirror.scale-up",
    title: "Does scaling up add endpoint mirrors?",
    yes: "the new pod has its endpoint mirror and is listed",
    async ask(room, { deadline }) {
      const few = await room.statefulSet(deadline);
      const before = await room.until(() => wholeFault(room.mirrored(), few), deadline);
      if (before) return `not whole before scaling: ${before}`;
      const many = await room.scale(few.pods.length + 1, deadline);
      return room.until(() => wholeFault(room.mirrored(), many), deadline);
    },
  },
  {
    id: "mirror.scale-down",
    title: "Does scaling down remove endpoint mirrors?",
    yes: "the gone pod's endpoint mirror went, and nothing lists it any more",
    async ask(room, { deadline }) {
      const few = await room.statefulSet(deadline);
      const many = await room.scale(few.pods.length + 1, deadline);
      const before = await room.until(() => wholeFault(room.mirrored(), many), deadline);
      if (before) return `not whole before scaling: ${before}`;
      await room.scale(few.pods.length, deadline);
      return room.until(() => wholeFault(room.mirrored(), few), deadline);
    },
  },
  {
    id: "mirror.delete",
    title: "Does deleting the service clean up?",
    yes: "the mirror and all its endpoint mirrors went",
    async ask(room, { deadline }) {
      const expected = await room.statefulSet(deadline);
      const before = await room.until(() => wholeFault(room.mirrored(), expected), deadline);
      if (before) return `nothing whole to clean up: ${before}`;
      await room.deleteService("web");
      return room.until(() => goneFault(room.mirrored(), expected), deadline);
    },
  },
];

/** Group 1 of the seed's "How to test". */
export const mirrorChecks: LinkCheck[] = steps.map((step) => ({
  id: step.id,
  group: "mirror",
  scope: "link",
  title: step.title,
  deadlineSeconds,
  applies: noMirror,
  async run(context): Promise<Finding> {
    const room = await context.rooms.of(context.link, context.deadline);
    const fault = await step.ask(room, context);
    const { source, target } = context;
    const objects = [
      named(target, "service", { metadata: { namespace: room.namespace, name: "web" } }),
      named(source, "service", { metadata: { namespace: room.namespace, name: `web-${target.name}` } }),
    ];
    const remark = room.remark();
    return fault ? no(fault, objects, controllerLogs(context)) : yes(step.yes, objects, remark);
  },
}));

/** What a service mirror did, and refused to do, is only in its log. */
export function controllerLogs({ source, link }: LinkContext): string {
  return kubectl(source, `-n linkerd-multicluster logs deploy/controller-${link.target} -c controller`);
}
