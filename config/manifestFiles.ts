import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

/** The text of one file, or what a kustomization builds. */
export interface ManifestText {
  /** Relative to the manifests' directory. Example: `west/nginx.yaml` */
  file: string;
  text: string;
}

export interface Found {
  texts: ManifestText[];
  complaints: string[];
  /** Files that are no manifests. Hidden files and leftovers of editors do not count. */
  ignored: string[];
}

const kustomizations = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/** Texts about a folder's manifests, of which a person need not be told. */
const unread = /^(?:readme|license|changelog|owners|codeowners|makefile)\b|\.(?:md|txt)$/i;

/**
 * Finds the manifests below a folder, in the order of their names: `.yaml`, `.yml` and `.json`, in any case. Follows
 * symbolic links. Builds a folder with a kustomization.
 *
 * @param folder relative to `directory`. Example: `west`
 */
export function findManifests(directory: string, folder: string): Found {
  const found: Found = { texts: [], complaints: [], ignored: [] };
  walk(directory, folder, found, []);
  return found;
}

/** Hidden files, and what editors leave behind: `.#web.yaml`, `web.yaml~`, `#web.yaml#`. */
export const isLeftover = (name: string) => name.startsWith(".") || name.endsWith("~") || /^#.*#$/.test(name);

function walk(directory: string, folder: string, found: Found, above: string[]): void {
  const full = path.join(directory, folder);
  const complain = (what: string, problem: string, next: string) =>
    found.complaints.push(`${what} ${problem}. Next: ${next}`);
  const names = read(() => fs.readdirSync(full).sort());
  if (typeof names === "string") return void complain(folder, names, "change its permissions");
  const real = fs.realpathSync(full);
  if (above.includes(real)) return void complain(folder, "leads back to a folder around it", "remove the link");
  if (names.includes("Chart.yaml")) {
    return void complain(
      folder,
      "is a Helm chart",
      `helm template ${full} > <a file beside it>, and move the chart away`,
    );
  }
  const kustomization = names.find((name) => kustomizations.includes(name));
  if (kustomization !== undefined) return build(directory, path.join(folder, kustomization), found);

  for (const name of names.filter((name) => !isLeftover(name))) {
    const shown = path.join(folder, name);
    const file = path.join(full, name);
    const status = read(() => fs.statSync(file));
    if (typeof status === "string") complain(shown, status, "repair or remove it");
    else if (status.isDirectory()) walk(directory, shown, found, [...above, real]);
    else if (!/\.(?:ya?ml|json)$/i.test(name) || !status.isFile()) {
      if (!unread.test(name)) found.ignored.push(shown);
    } else {
      const text = read(() => decoded(fs.readFileSync(file)));
      if (typeof text === "string") complain(shown, text, "repair or remove it");
      else found.texts.push({ file: shown, text: text.decoded });
    }
  }
}

/** What a function returns, or in words why it failed. */
function read<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    const { code, message, path: file } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return `is a link to ${linkTarget(file)}, which does not exist`;
    if (code === "ELOOP") return "is a link to itself";
    if (code === "EACCES" || code === "EPERM") return "cannot be read: permission denied";
    return `cannot be read: ${message}`;
  }
}

function linkTarget(file = ""): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return "something"; // it was removed meanwhile
  }
}

/** The text of a file in UTF-8 or, with a byte order mark, UTF-16. */
function decoded(bytes: Buffer): { decoded: string } {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const encoding = !isUtf16 ? "utf-8" : bytes[0] === 0xff ? "utf-16le" : "utf-16be";
  const text = (() => {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(bytes);
    } catch {
      throw new Error("it is not UTF-8 text");
    }
  })();
  if (text.includes("\0")) throw new Error("it is not UTF-8 text, but contains zero bytes");
  return { decoded: text };
}

function build(directory: string, kustomization: string, found: Found): void {
  const folder = path.dirname(path.join(directory, kustomization));
  for (const [program, verb] of [
    ["kubectl", "kustomize"],
    ["kustomize", "build"],
  ] as const) {
    try {
      const text = execFileSync(program, [verb, folder], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 64 << 20, timeout: 120_000 }); // prettier-ignore
      found.texts.push({ file: kustomization, text });
      return;
    } catch (error) {
      const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
      if (code === "ENOENT") continue;
      const said = stderr?.trim().split("\n").at(-1) ?? message;
      found.complaints.push(`${kustomization} cannot be built: ${said}. Next: ${program} ${verb} ${folder}`);
      return;
    }
  }
  found.complaints.push(`${kustomization} needs kubectl or kustomize on PATH to be built. Next: install kubectl`);
}
