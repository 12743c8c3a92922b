import type { LabelSelector } from "./api";
import { exportLabel, federatedLabel } from "./mirroredServices";

/** The selectors of a Link, each with the label that it must match. */
const selectors = {
  selector: [exportLabel, "true"],
  remoteDiscoverySelector: [exportLabel, "remote-discovery"],
  federatedServiceSelector: [federatedLabel, "member"],
} as const;

type Selectors = Partial<Record<keyof typeof selectors, LabelSelector>>;

/**
 * Why the selectors of a Link do not match exactly their own labels.
 *
 * @example selectorFaults({ selector: {} }) // ["selector is {}, which matches nothing: expected to match ...", ...]
 */
export function selectorFaults(spec: Selectors): string[] {
  const kinds = Object.entries(selectors) as [keyof typeof selectors, readonly [string, string]][];
  return kinds.flatMap(([name, [label, value]]) => {
    const selector = spec[name];
    if (!matches(selector, { [label]: value })) {
      const nothing = isEmpty(selector) ? ", which matches nothing" : "";
      return [`${name} is ${JSON.stringify(selector) ?? "missing"}${nothing}: expected to match ${label}=${value}`];
    }
    const others = [
      ...kinds.filter(([other]) => other !== name).map(([, [key, text]]) => ({ [key]: text })),
      {}, // a service that nobody exported
    ];
    const wrong = others.find((labels) => matches(selector, labels));
    if (wrong === undefined) return [];
    const labels = Object.entries(wrong).map(([key, text]) => `${key}=${text}`);
    return [`${name} is ${JSON.stringify(selector)}, which also matches services with ${labels[0] ?? "no label"}`];
  });
}

function isEmpty(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions ?? []).length === 0;
}

/**
 * Whether the service mirror takes a service with these labels. Unlike elsewhere in Kubernetes, an empty selector
 * matches nothing: isExported and the functions after it in linkerd2's cluster_watcher.go.
 */
export function matches(selector: LabelSelector | undefined, labels: Record<string, string>): boolean {
  if (isEmpty(selector)) return false;
  const equal = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return equal && (selector?.matchExpressions ?? []).every((expression) => satisfies(expression, labels));
}

function satisfies(
  { key, operator, values = [] }: { key: string; operator: string; values?: string[] },
  labels: Record<string, string>,
): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false; // the API server refuses it, and so does the service mirror
  }
}
