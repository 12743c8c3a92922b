/**
 * A Docker engine for the k3d tests: the machine's own if it answers, else a dockerd of the tests (Debian: docker.io).
 * Its data, socket and processes live under one directory and end with it.
 *
 * A stopped dockerd leaves the docker0 bridge, iptables chains and IP forwarding behind, here as on any machine.
 */
import { execFile, spawn } from "node:child_process";
import { chmod, mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Time a dockerd gets to answer, and to end; in milliseconds. */
const PATIENCE = 60_000;
/** CAP_SYS_RESOURCE is bit 24 of the capability sets (linux/capability.h). */
const SYS_RESOURCE = 1n << 24n;

export interface Engine {
  /** What docker and k3d need in their environment to reach this engine; nothing for the machine's own. */
  env: Record<string, string>;
  /**
   * Ends dockerd and starts it again on the same data, and with it every container that is to restart. The machine's own
   * engine is not ours to end: there the containers named are restarted, which is the part of it that they can notice.
   */
  restart(containers: string[]): Promise<void>;
  /** Ends what was started here; the machine's own engine is left alone. */
  stop(): Promise<void>;
}

/**
 * @param directory where a dockerd of our own keeps everything. A short path: it holds sockets, whose paths Linux limits
 *   to 107 characters.
 *
 *     const engine = await startEngine("/tmp/engine");
 *     execFileSync("docker", ["ps"], { env: { ...process.env, ...engine.env } });
 *     await engine.stop();
 */
export async function startEngine(directory: string): Promise<Engine> {
  if (await answers({})) {
    const restart = async (containers: string[]) => {
      await execute("docker", ["restart", ...containers]);
    };
    return { env: {}, restart, stop: () => Promise.resolve() };
  }
  await mkdir(directory, { recursive: true });
  const socket = join(directory, "docker.sock");
  // k3d mounts the engine's socket into a helper container. Told no path it takes /var/run/docker.sock, and Docker
  // makes a directory of that name on a host that has none.
  const env = { DOCKER_HOST: `unix://${socket}`, DOCKER_SOCK: socket };
  let pid = await launch(directory, env);
  const stop = async () => {
    await end(pid);
  };
  return {
    env,
    stop,
    restart: async () => {
      await stop();
      pid = await launch(directory, env);
    },
  };
}

async function answers(env: Record<string, string>): Promise<boolean> {
  return execute("docker", ["version", "--format", "{{.Server.Version}}"], { env: { ...process.env, ...env } }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") throw new Error("The k3d tests need the docker CLI: apt-get install docker.io");
      return false;
    },
  );
}

async function launch(directory: string, env: { DOCKER_HOST: string }): Promise<number> {
  const log = await open(join(directory, "dockerd.log"), "a");
  const args = [
    ...["--data-root", join(directory, "data"), "--exec-root", join(directory, "exec")],
    ...["--pidfile", join(directory, "docker.pid"), "--host", env.DOCKER_HOST],
    ...(await runtimeArgs(directory)),
  ];
  // In a session of its own, so that Ctrl-C in a terminal ends the tests first and they end dockerd.
  const dockerd = spawn("dockerd", args, { stdio: ["ignore", log.fd, log.fd], detached: true });
  let failure: string | undefined;
  dockerd.once("error", (error: NodeJS.ErrnoException) => {
    failure =
      error.code === "ENOENT"
        ? "no Docker engine answers, and there is no dockerd to start: apt-get install docker.io"
        : error.message;
  });
  dockerd.once("exit", (code) => (failure ??= `dockerd ended with ${code}`));
  await log.close();
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; await sleep(200)) {
    if (failure !== undefined) break;
    if (dockerd.pid !== undefined && (await answers(env))) {
      dockerd.unref();
      return dockerd.pid;
    }
  }
  const end = await readFile(join(directory, "dockerd.log"), "utf8").catch(() => "");
  throw new Error(`The k3d tests have no Docker engine: ${failure ?? "dockerd does not answer"}\n${end.slice(-2000)}`);
}

async function end(pid: number): Promise<void> {
  if (alive(pid)) process.kill(pid, "SIGTERM");
  for (const deadline = Date.now() + PATIENCE; alive(pid); await sleep(100)) {
    if (Date.now() > deadline) throw new Error(`dockerd (process ${pid}) does not end after SIGTERM`);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/**
 * k3d's containers are privileged: they ask for every capability, and runc fails on one that this machine may not give
 * ("unable to apply caps: operation not permitted"). There, and only there, a runtime of ours comes before runc.
 */
async function runtimeArgs(directory: string): Promise<string[]> {
  const status = await readFile("/proc/self/status", "utf8");
  const bounding = BigInt(`0x${/^CapBnd:\s*(\w+)/m.exec(status)?.[1] ?? "0"}`);
  if ((bounding & SYS_RESOURCE) !== 0n) return [];
  const runtime = join(directory, "runc-without-sys-resource");
  const script = join(__dirname, "runc-without-sys-resource.mjs");
  const edit = `"${process.execPath}" "${script}" "$@" || exit 1`;
  await writeFile(
    runtime,
    `#!/bin/sh\ncase " $* " in *" create "*|*" run "*|*" exec "*) ${edit} ;; esac\nexec runc "$@"\n`,
  );
  await chmod(runtime, 0o755);
  return ["--add-runtime", `without-sys-resource=${runtime}`, "--default-runtime", "without-sys-resource"];
}
