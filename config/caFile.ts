import * as fs from "node:fs";
import * as path from "node:path";

/**
 * @param root where a relative path starts
 * @returns what is allowed, if this file is not that
 */
export function caFileProblem(file: string, root: string): string | undefined {
  const allowed = "a readable file with certificates in PEM, and without a private key";
  let content: string;
  try {
    content = fs.readFileSync(path.resolve(root, file), "utf8");
  } catch (error) {
    return `${allowed} (${(error as NodeJS.ErrnoException).code})`;
  }
  return /^-----BEGIN CERTIFICATE-----/m.test(content) && !/PRIVATE KEY/.test(content) ? undefined : allowed;
}
