import * as fs from "node:fs";
import * as path from "node:path";
import { root } from "../../lib/paths";
import { secondsSince } from "../ask";
import type { Context } from "../context";
import type { Figures, Step } from "../runner";
import { exampleNames, exampleSettings, useSettings } from "../settings";
import { runVerify } from "./verify";

/** Makes the acceptance's own stack anew with the settings of an example, and asks whether it works. */
async function tryExample(name: string, context: Context, figures: Figures): Promise<void> {
  const { product, clients } = context;
  const settings = exampleSettings(name);
  clients.forget();
  context.forgetMesh();
  await product.script("stop", product.stack);
  context.restoreSettings();
  useSettings(product.stack, settings);
  const began = Date.now();
  await product.update("start", product.stack);
  figures["npm start, s"] = secondsSince(began);
  await runVerify(context, figures);
  const check = path.join("examples", name, "check.ts");
  if (fs.existsSync(path.join(root, check))) {
    await product.program(process.execPath, "--import", "tsx", check, product.stack);
    figures[check] = "passed";
  }
}

export const exampleSteps: Step<Context>[] = exampleNames().map((name) => ({
  id: `example-${name}`,
  title: `examples/${name} from nothing`,
  asserts: "npm start succeeds, verify succeeds without a no, and the example's own check passes where it has one",
  needs: ["up-from-nothing"],
  run: (context, figures) => tryExample(name, context, figures),
}));
