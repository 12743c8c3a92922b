import ELK, { type ElkEdgeSection, type ElkExtendedEdge, type ElkNode } from "elkjs/lib/elk.bundled.js";
import type { LinkStatus, MeshStatus } from "../status/model";
import { indent, type Layout, type Line, type Point, sizes } from "./geometry";
import { linkText } from "./links";
import { rowsOf } from "./rows";

/** Options of Eclipse Layout Kernel: https://eclipse.dev/elk/reference/options.html */
const options = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.spacing.nodeNode": "50",
  "elk.layered.spacing.nodeNodeBetweenLayers": "70",
  "elk.spacing.edgeNode": "25",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "14",
  "elk.spacing.edgeEdge": "14",
  "elk.padding": "[top=20,left=20,bottom=20,right=20]",
};

const elk = new ELK();

/** Places the clusters and draws the links around them. */
export async function layOut(status: MeshStatus): Promise<Layout> {
  const boxes = status.clusters.map(({ name, domain }) => {
    const rows = rowsOf(status, name);
    const longest = Math.max(domain.length + name.length + 8, ...rows.map((row) => row.text.length + indent(row)));
    const width = Math.ceil(longest * sizes.letter + 4 * sizes.margin);
    return { cluster: name, width, height: sizes.title + rows.length * sizes.row + sizes.margin, rows };
  });
  const pairs = pairsOf(status.links);
  const asked: ElkNode = {
    id: "mesh",
    layoutOptions: options,
    children: boxes.map(({ cluster, width, height }) => ({ id: cluster, width, height })),
    edges: [...pairs].map(([id, [first]]): ElkExtendedEdge => {
      const { source = "", target = "" } = first ?? {};
      const labels = (pairs.get(id) ?? []).map(linkText);
      const width = Math.max(...labels.map(({ length }) => length), 0) * sizes.letter;
      // The label makes room for the text.
      return { id, sources: [source], targets: [target], labels: [{ text: id, width, height: labels.length * sizes.label }] }; // prettier-ignore
    }),
  };
  const graph = await elk.layout(asked);
  const places = new Map((graph.children ?? []).map((child) => [child.id, child]));
  return {
    width: graph.width ?? 0,
    height: graph.height ?? 0,
    boxes: boxes.map((box) => ({ ...box, x: places.get(box.cluster)?.x ?? 0, y: places.get(box.cluster)?.y ?? 0 })),
    lines: (graph.edges ?? []).map(({ id, sections, labels }): Line => {
      const [label] = labels ?? [];
      const points = pointsOf(sections?.[0]);
      return { links: pairs.get(id) ?? [], points, label: { x: label?.x ?? 0, y: label?.y ?? 0 } };
    }),
  };
}

function pairsOf(links: LinkStatus[]): Map<string, LinkStatus[]> {
  const pairs = new Map<string, LinkStatus[]>();
  for (const link of links) {
    const id = [link.source, link.target].sort().join(" ");
    pairs.set(id, [...(pairs.get(id) ?? []), link]);
  }
  return pairs;
}

function pointsOf(section: ElkEdgeSection | undefined): Point[] {
  return section ? [section.startPoint, ...(section.bendPoints ?? []), section.endPoint] : [];
}
