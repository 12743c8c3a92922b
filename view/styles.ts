import { colourVariables } from "./colours";

/** The picture's own styles, so that a file needs no other. */
export const styles = `
${colourVariables("svg")}
svg { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
.ground { fill: var(--ground); }
text { fill: var(--text); }
.name { font-weight: bold; font-size: 14px; }
.faint { fill: var(--faint); }
.box { fill: var(--box); stroke: var(--idle); stroke-width: 1.5; }
.box.bad { stroke: var(--bad); stroke-dasharray: 6 4; }
circle.good { fill: var(--good); } circle.bad { fill: var(--bad); } circle.idle { fill: var(--idle); }
.head.good { fill: var(--good); } .head.bad { fill: var(--bad); } .head.idle { fill: var(--idle); }
.line { fill: none; stroke-width: 1.5; stroke: var(--idle); }
.line.good { stroke: var(--good); } .line.bad { stroke: var(--bad); stroke-dasharray: 6 4; }
.label { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; fill: var(--faint); }
.label.bad { fill: var(--bad); font-weight: bold; }
.hit { fill: transparent; } .selected .hit { fill: var(--mark); }
`;
