/** One field of an object: its value, and the value that it must have. */
export interface Field {
  /** Example: `gatewayPort` */
  name: string;
  seen: string | undefined;
  expected: string;
}

/** One sentence per field that differs from its expected value. */
export function fieldFaults(fields: readonly Field[]): string[] {
  return fields
    .filter(({ seen, expected }) => seen !== expected)
    .map(({ name, seen, expected }) => `${name} is ${quoted(seen)}, expected ${quoted(expected)}`);
}

const quoted = (value: string | undefined): string => (value === undefined ? "missing" : JSON.stringify(value));
