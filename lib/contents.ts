import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

/** A digest of a file, or of a directory's files and their names. */
export function contentOf(place: string): string {
  const hash = createHash("sha256");
  for (const file of filesOf(place)) {
    const content = fs.readFileSync(file);
    hash.update(`${path.relative(place, file)} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

function filesOf(place: string): string[] {
  if (!fs.statSync(place).isDirectory()) return [place];
  const entries = fs.readdirSync(place, { recursive: true }).map((entry) => path.join(place, String(entry)));
  return entries.filter((entry) => fs.statSync(entry).isFile()).sort();
}
