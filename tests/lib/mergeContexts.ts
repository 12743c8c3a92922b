/**
 * A separate process for kubeconfig.test.ts. It adds and removes contexts in the user's kubeconfig on request, and
 * answers when it is done.
 */
import { addContext, removeContext } from "../../lib/userKubeconfig";
import { oneCluster } from "./kubeconfigs";

/** One change to make. */
export interface Merge {
  context: string;
  /** False: removed. */
  add: boolean;
}

process.on("message", ({ context, add }: Merge) => {
  void (add ? addContext(oneCluster(context)) : removeContext(context)).then(
    () => process.send?.("done"),
    (error: unknown) => process.send?.(String(error)),
  );
});
process.send?.("ready");
