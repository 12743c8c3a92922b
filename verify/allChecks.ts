import type { Check } from "./check";
import { damageChecks } from "./damage";
import { directTrafficChecks } from "./directTraffic";
import { healthChecks } from "./health";
import { mirrorChecks } from "./mirror";
import { policyChecks } from "./policy";
import { reachabilityChecks } from "./reachability";
import { trafficChecks } from "./traffic";
import { validationChecks } from "./validation";

/** In the order of the report. Checks that the others depend on come first. */
export const checks: readonly Check[] = [
  ...healthChecks,
  ...damageChecks,
  ...mirrorChecks,
  ...reachabilityChecks,
  ...trafficChecks,
  ...directTrafficChecks,
  ...policyChecks,
  ...validationChecks,
];
