import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { exclusively, toolsLock } from "../lib/locks";
import { downloadDirectory } from "./findTools";
import { request } from "../lib/http";
import { capture, say, UserError } from "../lib/run";
import { thisPlatform, type Tool } from "./tools";

/**
 * Downloads a tool from its publisher into the cache. Checks it against the publisher's checksums, if there are any.
 *
 * @returns the directory with its programs
 * @throws UserError when a download fails or a checksum does not match
 */
export async function download(tool: Tool, directory = downloadDirectory(tool)): Promise<string> {
  const files = tool.download?.(thisPlatform());
  if (!files) throw new Error(`${tool.name} has no download`);
  const tools = path.dirname(directory);
  fs.mkdirSync(tools, { recursive: true });
  const fetch = async () => {
    if (fs.existsSync(directory)) return directory;
    const checksums = files.checksums ? await (await get(files.checksums)).text() : undefined;
    const partial = path.join(tools, `.download-${tool.name}`);
    fs.rmSync(partial, { recursive: true, force: true });
    fs.mkdirSync(partial);
    for (const [index, url] of files.urls.entries()) {
      const file = path.join(partial, path.basename(url));
      const sum = await fetchFile(url, file);
      if (checksums) check(url, sum, checksums);
      if (url.endsWith(".tar.gz")) await unpack(file, partial);
      else fs.renameSync(file, path.join(partial, tool.programs[index] ?? tool.name));
    }
    for (const program of tool.programs) fs.chmodSync(path.join(partial, program), 0o755);
    fs.renameSync(partial, directory);
    say(
      `${tool.name} ${tool.version}: fetched${checksums ? ", checksum verified" : " (its publisher has no checksum)"}`,
    );
    return directory;
  };
  return exclusively(tools, fetch, toolsLock);
}

async function get(url: string): ReturnType<typeof request> {
  const response = await request(url).catch((error: unknown) => {
    throw new UserError(`${url} cannot be reached (${String(error)}). Next: try again`);
  });
  if (!response.ok) throw new UserError(`${url} answers ${response.status}. Next: try again`);
  return response;
}

/** @returns the file's SHA-256 */
async function fetchFile(url: string, file: string): Promise<string> {
  const response = await get(url);
  const size = Number(response.headers.get("content-length")) || undefined;
  const megabytes = (bytes: number) => Math.round(bytes / 1e6);
  say(`Fetching ${url}${size ? ` (${megabytes(size)} MB)` : ""} ...`);
  const hash = createHash("sha256");
  const target = await fs.promises.open(file, "w");
  let [bytes, told] = [0, Date.now()];
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      await target.writeFile(chunk);
      bytes += chunk.length;
      if (Date.now() - told < 5000) continue;
      told = Date.now();
      say(`  ${megabytes(bytes)}${size ? ` of ${megabytes(size)}` : ""} MB`);
    }
  } catch (error) {
    throw new UserError(`${url} broke off after ${bytes} bytes (${String(error)}). Next: try again`);
  } finally {
    await target.close();
  }
  return hash.digest("hex");
}

function check(url: string, sum: string, checksums: string): void {
  const name = path.basename(url);
  // Format: `<sum>  <file>`. The file may have a folder in front.
  const line = checksums
    .split("\n")
    .find((candidate) => path.basename(candidate.trim().split(/[\s*]+/)[1] ?? "") === name);
  const expected = line?.trim().split(/\s+/)[0];
  if (expected !== sum) {
    throw new UserError(
      `${name} has SHA-256 ${sum}, its publisher says ${expected ?? "nothing"}; it is not used. Next: try again`,
    );
  }
}

/** Unpacks an archive into the directory, without the archive's top-level folder. */
async function unpack(archive: string, directory: string): Promise<void> {
  const { code, stderr } = await capture("tar", ["-xzf", archive, "-C", directory, "--strip-components=1"]);
  if (code !== 0) throw new UserError(`tar cannot unpack ${archive}: ${stderr.trim()}`);
  fs.rmSync(archive);
}
