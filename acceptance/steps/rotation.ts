import { setTimeout as sleep } from "node:timers/promises";
import { controlPlane } from "../../verify/api";
import { secondsSince } from "../ask";
import type { Context } from "../context";
import { Load, loadFault, type LoadResult } from "../load";
import { targetsWithPods, type Mesh } from "../mesh";
import { type Figures, type Step, StepFailed } from "../runner";

/** The load goes on this long before and after a rotation. */
const aroundSeconds = 10;

/** The trust anchors of a cluster's proxies, and the issuer of their certificates. */
interface Trust {
  /** PEM of each root. */
  roots: string[];
  issuer: string;
}

async function trustOf({ clusters }: Mesh): Promise<Record<string, Trust>> {
  const entries = Object.values(clusters).map(async ({ name, core }) => {
    const [roots, issuer] = await Promise.all([
      core.readNamespacedConfigMap({ namespace: controlPlane, name: "linkerd-identity-trust-roots" }),
      core.readNamespacedSecret({ namespace: controlPlane, name: "linkerd-identity-issuer" }),
    ]);
    const bundle = roots.data?.["ca-bundle.crt"] ?? "";
    const pems = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    return [name, { roots: pems, issuer: issuer.data?.["tls.crt"] ?? "" }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

type Kind = "issuers" | "anchor";

/** Why this was not a rotation, or undefined. */
export function rotationFault(
  kind: Kind,
  before: Record<string, Trust>,
  after: Record<string, Trust>,
): string | undefined {
  const faults = Object.entries(after).flatMap(([cluster, { roots, issuer }]) => {
    const old = before[cluster] ?? { roots: [], issuer: "" };
    const kept = roots.filter((root) => old.roots.includes(root));
    return [
      ...(issuer === old.issuer ? [`${cluster} has the issuer it had before`] : []),
      ...(kind === "anchor" && kept.length > 0 ? [`${cluster} still trusts an anchor that it trusted before`] : []),
      ...(roots.length !== 1 ? [`${cluster} trusts ${roots.length} anchors`] : []),
      ...(kind === "issuers" && kept.length !== roots.length ? [`${cluster} trusts another anchor than before`] : []),
    ];
  });
  return faults.length > 0 ? faults.join("\n") : undefined;
}

async function rotate(kind: Kind, { product, clients, mesh }: Context, figures: Figures): Promise<void> {
  const its = await mesh();
  const before = await trustOf(its);
  const load = await Load.start(its, clients, await targetsWithPods(its));
  let counts: Omit<LoadResult, "log">;
  try {
    await sleep(aroundSeconds * 1000);
    const began = Date.now();
    await product.script("rotate", kind, product.stack);
    figures["npm run rotate, s"] = secondsSince(began);
    await sleep(aroundSeconds * 1000);
  } finally {
    const { log, ...rest } = await load.stop();
    product.keep(`rotate-${kind}-requests.log`, log);
    counts = rest;
    Object.assign(figures, counts);
  }
  const fault = rotationFault(kind, before, await trustOf(its)) ?? loadFault(counts);
  if (fault !== undefined) throw new StepFailed(fault);
}

export const rotationSteps: Step<Context>[] = [
  {
    id: "rotate-issuers",
    title: "npm run rotate -- issuers, under load",
    asserts:
      "every cluster has a new issuer under the same anchor, and no request to a headless name or a mirror fails",
    needs: ["requests"],
    run: (context, figures) => rotate("issuers", context, figures),
  },
  {
    id: "rotate-anchor",
    title: "npm run rotate -- anchor, under load",
    asserts: "every cluster trusts only a new anchor, and no request to a headless name or a mirror fails",
    needs: ["requests"],
    run: (context, figures) => rotate("anchor", context, figures),
  },
];
