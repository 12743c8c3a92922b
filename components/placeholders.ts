import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * A stand-in, in a chart's values, for a text that is not known yet when the chart is rendered. One example is a
 * certificate, in the preview of the update that makes it.
 *
 * @param name the text's key in the `texts` of `fill`
 */
export const placeholder = (name: string) => `mesh-placeholder-${name}`;

/**
 * Replaces the placeholders in a rendered object with their texts. A text that is unknown in a preview makes one field
 * unknown, and leaves the rest of the object known.
 *
 * A chart writes a value as is, in base64 (a webhook's CA bundle), as its SHA-256 (an annotation that restarts pods),
 * or as a scalar within YAML text (the ConfigMap linkerd-config).
 */
export function fill(value: unknown, texts: Record<string, pulumi.Input<string>>): unknown {
  const places = Object.entries(texts).map(([name, text]): Place => {
    const token = placeholder(name);
    return { text, token, base64: base64(token), sha256: sha256(token) };
  });
  return places.length === 0 ? value : fillPlaces(value, places);
}

/** A text, and the forms of its placeholder in an object. */
interface Place {
  text: pulumi.Input<string>;
  token: string;
  base64: string;
  sha256: string;
}

function fillPlaces(value: unknown, places: Place[]): unknown {
  if (typeof value === "string") return fillText(value, places);
  if (Array.isArray(value)) return value.map((item) => fillPlaces(item, places));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, fillPlaces(field, places)]));
}

function fillText(written: string, places: Place[]): pulumi.Input<string> {
  const found = places.filter((place) =>
    [place.token, place.base64, place.sha256].some((way) => written.includes(way)),
  );
  if (found.length === 0) return written;
  return pulumi
    .all(found.map(({ text }) => text))
    .apply((known) => found.reduce((filled, place, index) => put(filled, place, known[index] ?? ""), written));
}

function put(written: string, place: Place, text: string): string {
  if (written.trim() === place.token) return text.trim();
  if (written === place.base64) return base64(text.trim());
  if (written === place.sha256) return sha256(text);
  // A JSON string is a YAML scalar.
  return written.replaceAll(place.token, () => JSON.stringify(text));
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
