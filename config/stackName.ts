import { physicalNameOf } from "./physicalName";

/** k3d refuses longer cluster names. kwok clusters have the same limit, so that a stack can change its runtime. */
const longestPhysicalName = 32;

/**
 * Why a stack with local clusters cannot have this name, or undefined. Its clusters' physical names begin with it.
 *
 * @param clusters names in the mesh
 */
export function stackNameProblem(stack: string, clusters: string[]): string | undefined {
  const names = clusters.map((cluster) => physicalNameOf(stack, cluster));
  const [longest = ""] = [...names].sort((a, b) => b.length - a.length);
  if (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stack) && longest.length <= longestPhysicalName) return undefined;
  return (
    `stack is ${JSON.stringify(stack)}; allowed: a-z, 0-9 and -, and with the cluster's name (${longest}) at ` +
    `most ${longestPhysicalName} characters. Next: npm start -- <name>, or pulumi stack init <name>`
  );
}
