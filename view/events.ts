import type { MeshStatus } from "../status/model";
import type { Layout } from "./geometry";

/** What the server sends to the page: at once, and after each change. */
export interface View {
  status: MeshStatus;
  layout: Layout;
}
