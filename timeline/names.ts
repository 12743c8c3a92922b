import type { Operation, Update } from "../stacks/updateEvents";

/** A resource's place in the mesh, in words. */
export interface Place {
  /** Name of the cluster it belongs to; "mesh" if it belongs to none. */
  group: string;
  /** The component it is in. Example: `Linkerd east`, `Objects east-control-plane` */
  stage: string;
  /** Example: `Deployment linkerd/linkerd-destination` */
  label: string;
}

/** Name of the program's root component (index.ts). All other names begin with it. */
const meshName = "mesh";

/** Finds each step's place, using only the URNs and parents of the update's steps. */
export function placesOf({ steps }: Update): (step: Operation) => Place {
  const byUrn = new Map(steps.map((step) => [step.urn, step]));
  const clusters = clusterNames(steps);
  return (step) => {
    const { type, name } = split(step.urn);
    const parent = byUrn.get(step.parent);
    const component = step.custom ? parent : step;
    const [kind, own] = [lastWord(type), short(name)];
    const stage = component ? `${lastWord(split(component.urn).type)} ${short(split(component.urn).name)}` : kind;
    return { group: groupOf(step, clusters), stage, label: `${kind} ${own.split(":").at(-1) ?? own}` };
  };
}

/** A provider is named after its cluster. Names of resources without one (commands, certificates) begin with it. */
function groupOf(step: Operation, clusters: string[]): string {
  const provider = split(step.provider);
  const name = short(provider.type.endsWith("pulumi:providers:kubernetes") ? provider.name : split(step.urn).name);
  const matches = clusters.filter((cluster) => new RegExp(`^${cluster}($|[-:])`).test(name));
  // The longest match, because one cluster's name may begin with another's.
  return matches.sort((a, b) => b.length - a.length)[0] ?? meshName;
}

function clusterNames(steps: Operation[]): string[] {
  const providers = steps.filter(({ urn }) => split(urn).type.endsWith("pulumi:providers:kubernetes"));
  const components = steps.filter(({ urn }) => /Cluster$/.test(split(urn).type));
  const used = steps.map(({ provider }) => provider).filter((urn) => urn.includes("pulumi:providers:kubernetes"));
  const urns = [...providers.map(({ urn }) => urn), ...components.map(({ urn }) => urn), ...used];
  // The engine's default providers belong to no cluster.
  const names = urns.map((urn) => short(split(urn).name)).filter((name) => !/^default(_|$)/.test(name));
  return [...new Set(names)].sort();
}

/** A URN is `urn:pulumi:<stack>::<project>::<types of the parents and its own, joined by $>::<name>`. */
function split(urn: string): { type: string; name: string } {
  const [, , type = "", ...name] = urn.split("::");
  return { type: type.split("$").at(-1) ?? "", name: name.join("::") };
}

function lastWord(type: string): string {
  return type.split(":").at(-1) ?? type;
}

function short(name: string): string {
  return name.startsWith(`${meshName}-`) ? name.slice(meshName.length + 1) : name;
}
