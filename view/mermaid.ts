import type { MeshStatus } from "../status/model";
import { isBroken, linkLabel } from "./links";
import { rowsOf } from "./rows";

/** The mesh as a Mermaid flowchart, which GitHub and many wikis draw: https://mermaid.js.org/syntax/flowchart.html */
export function mermaid(status: MeshStatus): string {
  const ids = new Map(status.clusters.map(({ name }, i) => [name, `c${i}`]));
  const boxes = status.clusters.flatMap(({ name, domain, down }) => {
    const id = ids.get(name);
    const rows = rowsOf(status, name).map(({ text }, i) => `    ${id}r${i}["${escaped(text)}"]`);
    const title = `${name} (${down === undefined ? domain : "does not answer"})`;
    return [`  subgraph ${id}["${escaped(title)}"]`, ...rows, "  end"];
  });
  const links = status.links.map((link) => {
    const arrow = isBroken(link) ? "-.->" : "-->";
    return `  ${ids.get(link.source)} ${arrow}|"${linkLabel(link)}"| ${ids.get(link.target)}`;
  });
  return ["flowchart LR", ...boxes, ...links, ""].join("\n");
}

const escaped = (text: string) => text.replaceAll('"', "#quot;");
