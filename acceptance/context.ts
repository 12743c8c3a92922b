import type { Clients } from "./client";
import type { Belongings } from "./leftovers";
import type { Mesh } from "./mesh";
import type { Product } from "./product";

/** What the steps share. */
export interface Context {
  product: Product;
  clients: Clients;
  signal: AbortSignal;
  /** The running mesh, connected when it is first asked for. */
  mesh: () => Promise<Mesh>;
  /** Path of the user's own `linkerd`. Undefined if it is not installed. */
  linkerd?: string;
  /** Filled before the clusters go. */
  belongings?: Belongings;
  /** Filled when the clusters are up. */
  images: string[];
  /** Puts the settings back that a rotation changed. */
  restoreSettings: () => void;
}
