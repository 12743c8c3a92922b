// Property values in the provider protocol, with two of its marks. A secret is an object with a signature key. An
// unknown is one reserved string. The third mark, output values, never occurs, because serve.ts does not announce it.
// Part of the offline stand-ins for providers.
import { isDeepStrictEqual } from "node:util";

export type Value = null | boolean | number | string | Value[] | Properties;
export interface Properties {
  [name: string]: Value;
}

/** A difference between two property maps, and whether it forces a replacement. */
export interface Change {
  path: (string | number)[];
  kind: "add" | "delete" | "update";
  replace: boolean;
}

// https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/sig/sig.go
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Any value that the engine does not know yet (previews only). */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export const isMap = (value: Value | undefined): value is Properties =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const isSecret = (value: Value | undefined): boolean => isMap(value) && value[SIGNATURE] === SECRET;

export const secret = (value: Value): Value => (isSecret(value) ? value : { [SIGNATURE]: SECRET, value });

/** The value without any secret mark, at any depth. */
export function plain(value: Value): Value {
  if (Array.isArray(value)) return value.map(plain);
  if (!isMap(value)) return value;
  if (isSecret(value)) return plain(value.value ?? null);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** Lists all differences between single leaves. `replaces` says which top-level properties force a replacement. */
export function differences(
  olds: Value | undefined,
  news: Value | undefined,
  replaces: (property: string) => boolean,
  path: (string | number)[] = [],
): Change[] {
  const deeper = (name: string | number, old: Value | undefined, now: Value | undefined) =>
    differences(old, now, replaces, [...path, name]);
  // A secret is one leaf: showing which part of it changed would reveal something about its content.
  if (isMap(olds) && isMap(news) && !isSecret(olds) && !isSecret(news)) {
    const names = new Set([...Object.keys(olds), ...Object.keys(news)]);
    return [...names].flatMap((name) => deeper(name, olds[name], news[name]));
  }
  if (Array.isArray(olds) && Array.isArray(news)) {
    const longer = olds.length > news.length ? olds : news;
    return longer.flatMap((_, index) => deeper(index, olds[index], news[index]));
  }
  if (isDeepStrictEqual(olds, news)) return [];
  const kind = olds === undefined ? "add" : news === undefined ? "delete" : "update";
  return [{ path, kind, replace: replaces(String(path[0])) }];
}
