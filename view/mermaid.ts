import type { MeshStatus } from "../status/model";
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
  const links = status.links.map(({ source, target, state, latency }) => {
    const label = state === "alive" && latency !== undefined ? `${latency} ms` : state;
    const arrow = state === "dead" || state === "failing" ? "-.->" : "-->";
    return `  ${ids.get(source)} ${arrow}|"${label}"| ${ids.get(target)}`;
  });
  return ["flowchart LR", ...boxes, ...links, ""].join("\n");
}

const escaped = (text: string) => text.replaceAll('"', "#quot;");
