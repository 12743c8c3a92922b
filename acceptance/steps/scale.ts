import { setTimeout as sleep } from "node:timers/promises";
import { found, type ClusterClient } from "../../verify/api";
import { mirrorName } from "../../verify/mirroredServices";
import { askEveryName, secondsSince } from "../ask";
import type { Context } from "../context";
import { targetsWithPods } from "../mesh";
import { type Figures, type Step, StepFailed } from "../runner";
import { expectNoChange } from "./up";

/** Pods start one after the other. Their images are already present. */
const mirrorSeconds = 120;

/** The StatefulSet to scale, and where its mirrors are. */
interface Scaled {
  source: ClusterClient;
  target: ClusterClient;
  namespace: string;
  set: string;
  replicas: number;
}

async function chosen({ mesh }: Context): Promise<Scaled> {
  const { clusters, ...rest } = await mesh();
  const targets = await targetsWithPods({ clusters, ...rest });
  const { link, namespace, set = "" } = targets.find(({ kind }) => kind === "pod") ?? {};
  const [source, target] = [clusters[link?.source ?? ""], clusters[link?.target ?? ""]];
  if (!source || !target || namespace === undefined) throw new Error("there is no StatefulSet to scale");
  const { spec } = await target.apps.readNamespacedStatefulSet({ namespace, name: set });
  return { source, target, namespace, set, replicas: spec?.replicas ?? 1 };
}

/** As `kubectl scale` does. */
async function scale({ target, namespace, set }: Scaled, replicas: number): Promise<void> {
  const body = [{ op: "replace", path: "/spec/replicas", value: replicas }];
  await target.apps.patchNamespacedStatefulSetScale({ namespace, name: set, body });
}

/** Waits until the mirrors of these pods exist, or are gone. Returns the seconds that it took. */
async function untilMirrored({ source, target, namespace }: Scaled, pods: string[], there: boolean): Promise<number> {
  const began = Date.now();
  for (;;) {
    const services = await Promise.all(
      pods.map((pod) => found(source.core.readNamespacedService({ namespace, name: mirrorName(pod, target.name) }))),
    );
    const late = pods.filter((_, i) => (services[i] !== undefined) !== there);
    if (late.length === 0) return secondsSince(began);
    if (Date.now() - began > mirrorSeconds * 1000) {
      const what = there ? "not mirrored" : "still mirrored";
      throw new StepFailed(`${late.join(", ")} ${what} in ${source.name} after ${mirrorSeconds} s`);
    }
    await sleep(500);
  }
}

export const scaleSteps: Step<Context>[] = [
  {
    id: "scale",
    title: "A StatefulSet scaled up by two, and down again",
    asserts: "mirrors come and go with the pods, the new names answer, and a preview shows no change afterwards",
    needs: ["requests"],
    async run(context, figures) {
      const scaled = await chosen(context);
      const { set, replicas } = scaled;
      const added = [`${set}-${replicas}`, `${set}-${replicas + 1}`];
      Object.assign(figures, { set, replicas });
      try {
        await scale(scaled, replicas + 2);
        figures["up: mirrored after, s"] = await untilMirrored(scaled, added, true);
        const asked: Figures = {};
        await askEveryName(context, asked, ({ kind, pods }) => kind === "pod" && added.includes(pods[0] ?? ""));
        figures["up: answered, s after that"] = asked["all answered after, s"];
      } finally {
        await scale(scaled, replicas);
      }
      figures["down: mirrors gone after, s"] = await untilMirrored(scaled, added, false);
      expectNoChange(await context.product.preview(), figures);
    },
  },
];
