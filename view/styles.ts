/** Colours of the picture, light and dark. In files they follow the reader's system, as in the page. */
export const styles = `
svg { --ground: #fff; --box: #f6f8fa; --text: #1f2328; --faint: #59636e; --good: #1a7f37; --bad: #cf222e; --idle: #6e7781;
  --mark: #ddf4ff; font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
@media (prefers-color-scheme: dark) { svg { --ground: #0d1117; --box: #161b22; --text: #e6edf3; --faint: #9198a1;
  --good: #3fb950; --bad: #ff7b72; --idle: #9198a1; --mark: #1f3a5f; } }
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
