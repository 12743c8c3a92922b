import { colourVariables } from "../colours";

/** The page around the picture. */
export const pageStyles = `
${colourVariables(":root")}
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 0 1rem; color: var(--text); background: var(--ground); }
header { display: flex; gap: 1rem; align-items: baseline; border-bottom: 1px solid var(--edge); }
header p { margin: 0; } h1 { font-size: 1.2rem; } h2 { font-size: 1.05rem; } h3 { font-size: 0.95rem; margin: 0.8rem 0 0; }
main { display: flex; gap: 1rem; flex-wrap: wrap; }
.picture { flex: 1 1 60%; overflow: auto; } aside { flex: 1 1 20rem; max-width: 40rem; }
.picture svg { max-width: 100%; height: auto; }
.part { cursor: pointer; } .part:focus { outline: none; }
.part:focus-visible { outline: 2px solid var(--good); outline-offset: 1px; }
.part:hover text { text-decoration: underline; }
.good { color: var(--good); } .bad { color: var(--bad); }
dl { margin: 0; } dl div { display: flex; gap: 0.5rem; } dt { min-width: 8rem; } dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 13px ui-monospace, Menlo, monospace; overflow-wrap: anywhere; } pre { white-space: pre-wrap; margin: 0;
  padding: 0.5rem; border: 1px solid var(--edge); } .mirror p { margin: 0.2rem 0; }
`;
