/** A stand-in for docker, for tests of what this project asks of it. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { upstreams } from "../../imageCache/upstreams";

/**
 * Puts a docker in front of PATH that does nothing. Files of this user are in a directory of their own too.
 *
 *     const docker = fakeDocker();
 *     docker.answer({ "container ls": "echo 1234" });
 *     assert.deepEqual(docker.calls(), []);
 *     docker.remove();
 */
export function fakeDocker() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "docker-test-"));
  const given = { ...process.env };
  const log = path.join(directory, "calls");
  const own = { XDG_CACHE_HOME: path.join(directory, "cache"), XDG_DATA_HOME: path.join(directory, "data") };
  Object.assign(process.env, { ...own, PATH: `${directory}:${given.PATH}` });
  return {
    /** From now on docker runs these shell commands, by the first words of its command line. All else succeeds. */
    answer(answers: Record<string, string>): void {
      const cases = Object.entries(answers).map(([words, script]) => `  "${words}"*) ${script} ;;`);
      const script = ["#!/bin/sh", `echo "$*" >> ${log}`, 'case "$*" in', ...cases, "esac"].join("\n");
      fs.writeFileSync(path.join(directory, "docker"), `${script}\n`, { mode: 0o755 });
      fs.writeFileSync(log, "");
    },
    /** The command lines since the last `answer`. */
    calls: () => fs.readFileSync(log, "utf8").trim().split("\n").filter(Boolean),
    remove(): void {
      for (const name of ["PATH", "XDG_CACHE_HOME", "XDG_DATA_HOME"]) {
        if (given[name] === undefined) delete process.env[name];
        else process.env[name] = given[name];
      }
      fs.rmSync(directory, { recursive: true });
    },
  };
}

/**
 * What docker answers where the cache runs.
 *
 * @param port of this machine where all its registries answer
 */
export function runningCache(port: number, networks: string[], labels = { "mesh.image-cache": "1" } as object) {
  const ports = upstreams.map((_, place) => [`${5001 + place}/tcp`, [{ HostPort: String(port) }]] as const);
  const found = {
    State: { Running: true },
    Config: { Image: "registry:3.1.2", Labels: labels },
    NetworkSettings: {
      Networks: Object.fromEntries(["bridge", ...networks].map((name) => [name, {}])),
      Ports: Object.fromEntries(ports),
    },
  };
  return { "container ls": "echo 1234", "container inspect": `echo '${JSON.stringify([found])}'` };
}
