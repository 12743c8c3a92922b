import type { ClusterStatus, LinkStatus, MeshStatus } from "../status/model";
import { indent, type Box, type Layout, type Line, sizes } from "./geometry";
import { isBroken, linkText } from "./links";
import { parts, type Row } from "./rows";
import { styles } from "./styles";

export interface PictureProps {
  status: MeshStatus;
  layout: Layout;
  /** The part that is shown in detail. See `parts`. */
  selected?: string;
  /** Without it nothing can be selected, as in a file. */
  onSelect?: (part: string) => void;
}

/** The mesh as SVG: in files, and live in the page. */
export function Picture({ status, layout, selected, onSelect }: PictureProps) {
  const { width, height, boxes, lines } = layout;
  const common = { selected, onSelect };
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      viewBox={`0 0 ${Math.ceil(width)} ${Math.ceil(height)}`}
      width={Math.ceil(width)}
      height={Math.ceil(height)}
      role={onSelect ? "group" : "img"}
      aria-label={`Stack ${status.stack}: ${status.clusters.length} clusters, ${status.links.length} links`}
    >
      <style>{styles}</style>
      <defs>
        {(["good", "bad", "idle"] as const).map((state) => (
          <marker
            key={state}
            id={`arrow-${state}`}
            viewBox="0 0 8 8"
            refX="8"
            refY="4"
            markerWidth="8"
            markerHeight="8"
            orient="auto-start-reverse"
          >
            <path class={`head ${state}`} d="M0 0L8 4L0 8z" />
          </marker>
        ))}
      </defs>
      <rect class="ground" width="100%" height="100%" />
      {lines.map((line) => (
        <Link key={line.links.map(linkText).join()} line={line} {...common} />
      ))}
      {boxes.map((box) => {
        const cluster = status.clusters.find(({ name }) => name === box.cluster);
        return cluster && <Cluster key={box.cluster} box={box} cluster={cluster} {...common} />;
      })}
    </svg>
  );
}

type Choice = Pick<PictureProps, "selected" | "onSelect">;

/** Makes a part of the picture a button, for mouse and keyboard. */
function button(part: string, label: string, { selected, onSelect }: Choice) {
  if (!onSelect) return {};
  return {
    role: "button" as const,
    tabindex: 0,
    "aria-label": label,
    "aria-pressed": part === selected,
    "data-part": part,
    onClick: () => onSelect(part),
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      onSelect(part);
    },
  };
}

function Cluster({ box, cluster, ...choice }: { box: Box; cluster: ClusterStatus } & Choice) {
  const { x, y, width, height, rows } = box;
  const { name, domain, linkerd, down, isSimulated } = cluster;
  const state = down !== undefined ? "bad" : isSimulated ? "idle" : "good";
  return (
    <g transform={`translate(${x} ${y})`}>
      <g
        class="part"
        {...button(parts.cluster(name), `cluster ${name}, ${down === undefined ? "up" : "down"}`, choice)}
      >
        <rect class={`box ${state}`} width={width} height={height} rx="6" />
        <text class="name" x={sizes.margin} y="18">
          {name}
        </text>
        <text class="faint" x={sizes.margin} y="33">
          {[domain, down === undefined ? linkerd : "down"].filter(Boolean).join(", ")}
        </text>
      </g>
      {rows.map((row, i) => (
        <Entry key={`${row.kind} ${row.text}`} row={row} y={sizes.title + i * sizes.row} width={width} {...choice} />
      ))}
    </g>
  );
}

function Entry({ row, y, width, ...choice }: { row: Row; y: number; width: number } & Choice) {
  const left = sizes.margin + indent(row) * sizes.letter;
  return (
    <g class={`part row ${choice.selected === row.shows ? "selected" : ""}`} {...button(row.shows, row.text, choice)}>
      <rect class="hit" x="2" y={y} width={width - 4} height={sizes.row} rx="3" />
      <circle class={row.state} cx={left + 4} cy={y + 9} r="3.5" />
      <text x={left + 14} y={y + 13}>
        {row.text}
      </text>
    </g>
  );
}

const lineState = (links: LinkStatus[]) => {
  if (links.some(isBroken)) return "bad";
  return links.every(({ state }) => state === "alive") ? "good" : "idle";
};

function Link({ line: { links, points, label }, ...choice }: { line: Line } & Choice) {
  const state = lineState(links);
  const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${x} ${y}`).join("");
  return (
    <g>
      <path
        class={`line ${state}`}
        d={path}
        marker-end={`url(#arrow-${state})`}
        marker-start={links.length > 1 ? `url(#arrow-${state})` : undefined}
      />
      {links.map((link, i) => {
        const text = linkText(link);
        return (
          <g key={text} class="part" {...button(parts.link(link), `link ${text}`, choice)}>
            <text class={`label ${isBroken(link) ? "bad" : ""}`} x={label.x} y={label.y + 12 + i * sizes.label}>
              {text}
            </text>
          </g>
        );
      })}
    </g>
  );
}
