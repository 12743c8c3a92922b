import { render } from "preact-render-to-string";
import type { MeshStatus } from "../status/model";
import { layOut } from "./layout";
import { Picture } from "./picture";

/** The mesh as an SVG file. */
export async function svg(status: MeshStatus): Promise<string> {
  return `${render(<Picture status={status} layout={await layOut(status)} />)}\n`;
}
