import { secondsSince } from "../ask";
import type { Context } from "../context";
import { belongingsOf, leftovers } from "../leftovers";
import { type Step, StepFailed } from "../runner";

export const destroySteps: Step<Context>[] = [
  {
    id: "destroy",
    title: "npm stop",
    asserts: "npm stop succeeds",
    needs: [],
    cleanup: true,
    async run(context, figures) {
      const { product, clients } = context;
      // The stack is destroyed even if its volumes cannot be listed.
      context.belongings = await belongingsOf(product.stack, product.env).catch(() => undefined);
      clients.forget();
      const began = Date.now();
      await product.script("stop", product.stack);
      figures["npm stop, s"] = secondsSince(began);
      // Not earlier: the settings belong to the running mesh.
      context.restoreSettings();
    },
  },
  {
    id: "nothing-left",
    title: "Nothing is left on this machine",
    asserts:
      "no container, volume, network, directory or process, no entry of the kubeconfig, and no resource in the state",
    needs: ["destroy"],
    cleanup: true,
    async run({ product, belongings }, figures) {
      const its = belongings ?? (await belongingsOf(product.stack, product.env));
      const left = await leftovers(its, product.env, product.runId);
      const resources = await product.resources();
      if (resources > 0) left.push(`${resources} resources in the state`);
      figures.left = left.length;
      if (process.platform !== "linux") figures.processes = "not looked at: only Linux shows whose they are";
      if (left.length > 0) throw new StepFailed(`left: ${left.join("\nleft: ")}`);
    },
  },
];
