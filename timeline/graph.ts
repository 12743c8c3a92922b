/** The dependencies between resources, by URN. */
export interface Graph {
  /** The resources that must exist before a resource can be created: its dependencies, parent and provider. */
  needs: Map<string, Set<string>>;
  parents: Map<string, string>;
}

/** The part of a resource in a stack's state that is read. */
interface Resource {
  urn: string;
  parent?: string;
  provider?: string;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[] | null>;
}

/** The output of `pulumi stack export`. An empty stack may have no resources at all. */
export interface State {
  deployment?: { resources?: Resource[] | null };
}

/** Reads the dependencies from a stack's state after the update. */
export function readGraph({ deployment }: State): Graph {
  const graph: Graph = { needs: new Map(), parents: new Map() };
  for (const resource of deployment?.resources ?? []) {
    graph.needs.set(resource.urn, new Set(dependenciesOf(resource)));
    if (resource.parent) graph.parents.set(resource.urn, resource.parent);
  }
  return graph;
}

function dependenciesOf({ parent, provider, dependencies, propertyDependencies }: Resource): string[] {
  const properties = Object.values(propertyDependencies ?? {}).flatMap((urns) => urns ?? []);
  const found = [...(dependencies ?? []), ...properties];
  if (parent) found.push(parent);
  if (provider) found.push(provider.split("::").slice(0, 4).join("::"));
  return found;
}
