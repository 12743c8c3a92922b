/** Each colour in light and in dark. */
const colours = {
  ground: ["#fff", "#0d1117"],
  box: ["#f6f8fa", "#161b22"],
  edge: ["#d1d9e0", "#3d444d"],
  text: ["#1f2328", "#e6edf3"],
  faint: ["#59636e", "#9198a1"],
  good: ["#1a7f37", "#3fb950"],
  bad: ["#cf222e", "#ff7b72"],
  idle: ["#6e7781", "#9198a1"],
  mark: ["#ddf4ff", "#1f3a5f"],
} as const;

/** CSS that gives an element the colours as variables. They follow the reader's system, in files too. */
export function colourVariables(selector: string): string {
  const rule = (scheme: 0 | 1) => {
    const variables = Object.entries(colours).map(([name, pair]) => `--${name}: ${pair[scheme]};`);
    return `${selector} { ${variables.join(" ")} }`;
  };
  return `${rule(0)}\n@media (prefers-color-scheme: dark) { ${rule(1)} }`;
}
