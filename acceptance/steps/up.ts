import { askEveryName, secondsSince } from "../ask";
import type { Context } from "../context";
import { podImages } from "../mesh";
import type { Preview } from "../product";
import { type Figures, type Step, StepFailed } from "../runner";

/** @throws StepFailed naming the first of the changes */
export function expectNoChange({ changes, steps }: Preview, figures: Figures): void {
  figures.changes = Object.values(changes).reduce((sum, count) => sum + count, 0);
  if (figures.changes === 0) return;
  const more = steps.length > 10 ? [`and ${steps.length - 10} more`] : [];
  throw new StepFailed(["the preview shows changes:", ...steps.slice(0, 10), ...more].join("\n"));
}

export const upSteps: Step<Context>[] = [
  {
    id: "preview-from-nothing",
    title: "Preview before anything is there",
    asserts: "the preview succeeds and only creates",
    needs: [],
    async run({ product }, figures) {
      const { changes } = await product.preview();
      Object.assign(figures, { changes });
      const others = Object.keys(changes).filter((op) => op !== "create");
      if (others.length > 0) throw new StepFailed(`the preview shows ${others.join(", ")}`);
    },
  },
  {
    id: "up-from-nothing",
    title: "npm start from nothing",
    asserts: "npm start succeeds",
    needs: [],
    async run({ product, mesh, images }, figures) {
      const began = Date.now();
      await product.update("start", product.stack);
      figures["npm start, s"] = secondsSince(began);
      figures.resources = await product.resources();
      const its = await mesh();
      const nodes = Object.values(its.clusters).map(({ context }) => product.nodeImage(`${context}-server-0`));
      images.push(...new Set(await Promise.all(nodes)), ...(await podImages(its)));
    },
  },
  {
    id: "up-again",
    title: "npm start again",
    asserts: "the update changes nothing",
    needs: ["up-from-nothing"],
    async run({ product }, figures) {
      const changes = await product.update("start", product.stack);
      Object.assign(figures, { changes });
      if (Object.keys(changes).length > 0) throw new StepFailed("the second update changed something");
    },
  },
  {
    id: "preview",
    title: "Preview of the running mesh",
    asserts: "the preview shows no change",
    needs: ["up-from-nothing"],
    async run({ product }, figures) {
      expectNoChange(await product.preview(), figures);
    },
  },
  {
    id: "requests",
    title: "A request to every pod by name, and to every other mirror",
    asserts: "each name answers with a 2xx or 3xx status, none by an error of a proxy, and no wrong pod answers",
    needs: ["up-from-nothing"],
    run: (context, figures) => askEveryName(context, figures),
  },
];
