// Reads and writes the part of DER (X.690) that certificates and requests need. Part of the tls stand-in. Written by
// hand because Node.js has no X.509 writer, and a library would delay the engine: it waits for each plugin to load.

export interface Element {
  tag: number;
  /** The element with its tag and length. */
  whole: Buffer;
  content: Buffer;
}

export function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length = Buffer.from(hexBytes(content.length.toString(16)));
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content]);
}

const hexBytes = (hex: string) => Buffer.from(hex.length % 2 ? `0${hex}` : hex, "hex");

export const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
/** A SET OF. DER requires its elements to be sorted. */
export const set = (...parts: Buffer[]) => der(0x31, ...parts.sort((one, other) => Buffer.compare(one, other)));
/** A non-negative integer. A leading 0 keeps it from being read as negative. */
export const integer = (value: bigint | number) => {
  const bytes = hexBytes(value.toString(16));
  return der(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
};
export const truth = der(0x01, Buffer.of(0xff));
export const nothing = der(0x05);
export const octets = (content: Buffer) => der(0x04, content);
export const bits = (content: Buffer, unused = 0) => der(0x03, Buffer.of(unused), content);
export function ascii(tag: number, text: string): Buffer {
  const content = Buffer.from(text);
  if (content.some((byte) => byte > 0x7f))
    throw new Error(`x509: ${JSON.stringify(text)} cannot be encoded as an IA5String`);
  return der(tag, content);
}

/** Text as Go writes it: a PrintableString if that type has all its characters, else UTF-8. */
export const text = (value: string) =>
  /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? ascii(0x13, value) : der(0x0c, Buffer.from(value));

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const base128 = (value: number): number[] => {
    const bytes = [value & 0x7f];
    for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
    return bytes;
  };
  return der(0x06, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** UTCTime until 2049, GeneralizedTime after: RFC 5280, 4.1.2.5. */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
  return date.getUTCFullYear() < 2050 ? ascii(0x17, digits.slice(2)) : ascii(0x18, digits);
}

/** Splits content into its elements. */
export function elements(content: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < content.length;) {
    const tag = content[at] ?? 0;
    const short = content[at + 1] ?? 0;
    const wide = short < 0x80 ? 0 : short & 0x7f;
    const length = wide ? content.readUIntBE(at + 2, wide) : short;
    const start = at + 2 + wide;
    if (start + length > content.length) throw new Error("truncated DER");
    found.push({ tag, whole: content.subarray(at, start + length), content: content.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}
