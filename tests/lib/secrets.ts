import * as fs from "node:fs";
import * as path from "node:path";
import { gunzipSync } from "node:zlib";

/** Keys, tokens and kubeconfigs that can be read in a text, as they are or in base64. */
export function readableSecrets(text: string): string[] {
  const shapes = /PRIVATE KEY-----|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.|client-key-data|current-context/g;
  const decoded = (text.match(/[A-Za-z0-9+/]{64,}={0,2}/g) ?? []).map((run) =>
    Buffer.from(run, "base64").toString("latin1"),
  );
  return [text, ...decoded].flatMap((one) => one.match(shapes) ?? []);
}

/**
 * Every file under a directory in which a secret can be read. Does not follow links, and skips executables, etcd's data
 * (the cluster's own) and states, which are compressed with zstd. Export those instead.
 */
export function filesWithSecrets(directory: string): { file: string; mode: string }[] {
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) return /\.kwok\/clusters\/[^/]+\/(bin|etcd)$/.test(file) ? [] : filesWithSecrets(file);
    if (!entry.isFile()) return [];
    const bytes = fs.readFileSync(file);
    const text = (bytes.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b])) ? gunzipSync(bytes) : bytes).toString(
      "latin1",
    );
    if (readableSecrets(text).length === 0) return [];
    return [{ file, mode: (fs.statSync(file).mode & 0o777).toString(8) }];
  });
}
