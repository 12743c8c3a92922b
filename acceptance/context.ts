import type { Clients } from "../traffic/client";
import type { Belongings } from "./leftovers";
import type { Mesh } from "./mesh";
import type { Product } from "./product";

/** State that the steps share. */
export interface Context {
  product: Product;
  clients: Clients;
  signal: AbortSignal;
  /** The running mesh, connected on first use. */
  mesh: () => Promise<Mesh>;
  /** Connects anew at the next use of `mesh`, because the clusters are others. */
  forgetMesh: () => void;
  /** Path of the user's own `linkerd`. Undefined if it is not installed. */
  linkerd?: string;
  /** Set before the clusters are destroyed. */
  belongings?: Belongings;
  /** Filled when the clusters are up. */
  images: string[];
  /** Restores the settings that steps changed. */
  restoreSettings: () => void;
}
