import { type Mirror, namespaceOf } from "./mirrors";
import type { Manifest } from "./manifests";

/** Kubernetes makes these itself, and never deletes the first three. The charts make the last two. */
const given = ["default", "kube-system", "kube-public", "kube-node-lease", "linkerd", "linkerd-multicluster"];

/**
 * Namespaces that a cluster needs and that no manifest of it makes: those of its objects, and those of the services that
 * it mirrors. Linkerd passes over services whose namespace the source lacks (`ServiceMirroringSkipped`).
 */
export function missingNamespaces(manifests: Manifest[], mirrors: Mirror[]): string[] {
  const made = manifests.filter(isNamespace).map(({ metadata }) => metadata.name);
  const needed = [...manifests.map(namespaceOf), ...mirrors.map(({ namespace }) => namespace)];
  return [...new Set(needed)].filter((name) => !made.includes(name) && !given.includes(name)).sort();
}

export const isNamespace = ({ apiVersion, kind }: Manifest): boolean => apiVersion === "v1" && kind === "Namespace";

/** Whether Kubernetes makes a namespace. A manifest of it is a patch, because nobody can delete it. */
export const isGiven = (object: Manifest): boolean => isNamespace(object) && given.includes(object.metadata.name);
