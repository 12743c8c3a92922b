import type { Context } from "./context";
import { destroySteps } from "./steps/destroy";
import { exampleSteps } from "./steps/examples";
import { faultSteps } from "./steps/faults";
import { modeSteps } from "./steps/modes";
import { rotationSteps } from "./steps/rotation";
import { scaleSteps } from "./steps/scale";
import { upSteps } from "./steps/up";
import { verifySteps } from "./steps/verify";
import type { Step } from "./runner";

/** The whole life cycle, in order. */
export const steps: readonly Step<Context>[] = [
  ...upSteps,
  ...verifySteps,
  ...scaleSteps,
  ...rotationSteps,
  ...faultSteps,
  ...modeSteps,
  ...exampleSteps,
  ...destroySteps,
];
