/** Whether a value is a mapping, as JSON and YAML have them: no list, no null. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
