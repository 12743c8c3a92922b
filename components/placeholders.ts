import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * What stands in a chart's values for a text that is not known when the chart is rendered, as a certificate is in the preview
 * of an update that makes it.
 *
 * @param name of the text in what `fill` is given
 */
export const placeholder = (name: string) => `mesh-placeholder-${name}`;

/**
 * Puts the texts where their placeholders stand in a rendered object. A text that is unknown in a preview makes one field
 * unknown, and leaves the rest of the object known.
 *
 * A chart writes a value as it is, in base64 (a webhook's CA bundle), as its SHA-256 (an annotation that restarts pods), or as
 * a scalar within YAML text (the ConfigMap linkerd-config).
 */
export function fill(value: unknown, texts: Record<string, pulumi.Input<string>>): unknown {
  if (typeof value === "string") return fillText(value, texts);
  if (Array.isArray(value)) return value.map((item) => fill(item, texts));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, fill(field, texts)]));
}

function fillText(written: string, texts: Record<string, pulumi.Input<string>>): pulumi.Input<string> {
  const names = Object.keys(texts).filter((name) => ways(placeholder(name)).some((way) => written.includes(way)));
  if (names.length === 0) return written;
  return pulumi
    .all(names.map((name) => pulumi.output(texts[name] ?? "")))
    .apply((known) =>
      names.reduce((filled, name, index) => put(filled, placeholder(name), known[index] ?? ""), written),
    );
}

function put(written: string, token: string, text: string): string {
  if (written.trim() === token) return text.trim();
  if (written === base64(token)) return base64(text.trim());
  if (written === sha256(token)) return sha256(text);
  // A JSON string is a YAML scalar.
  return written.replaceAll(token, () => JSON.stringify(text));
}

const ways = (token: string) => [token, base64(token), sha256(token)];
const base64 = (text: string) => Buffer.from(text).toString("base64");
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
