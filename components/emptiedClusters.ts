import type { Plan } from "../config/plan";
import { RefusedError } from "../config/settings";
import { urnsInState } from "../config/state";

/** Clusters, separated by commas, whose workloads the user agrees to delete. */
const consent = "MESH_DELETE_WORKLOADS";

/**
 * Refuses to delete all workloads of a cluster because its folder is empty, gone or renamed, unless the environment
 * variable MESH_DELETE_WORKLOADS names the cluster.
 *
 * @throws RefusedError with the number of objects, and how to agree
 */
export async function refuseToEmpty({ stack, clusters, namespaces }: Plan): Promise<void> {
  const agreed = process.env[consent]?.split(",") ?? [];
  const empty = clusters.filter(({ name, manifests }) => manifests.length === 0 && !agreed.includes(name));
  if (empty.length === 0) return;
  const urns = await urnsInState(stack);
  const problems = empty.flatMap(({ name }) => {
    const stay = namespaces[name]?.map((namespace) => `::mesh-${name}-workloads:${namespace}`) ?? [];
    const gone = urns.filter(
      (urn) => urn.includes(`::mesh-${name}-workloads:`) && !stay.some((end) => urn.endsWith(end)),
    );
    if (gone.length === 0) return [];
    return [
      `manifests has nothing for cluster ${name}, and its ${gone.length} objects would be deleted; allowed: a manifest in ` +
        `its folder. Next: restore the folder, or agree: ${consent}=${name} npm start -- ${stack}`,
    ];
  });
  if (problems.length > 0) throw new RefusedError(problems);
}
