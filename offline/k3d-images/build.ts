/**
 * Builds the images for a k3d cluster on a machine that reaches no image registry: stand-ins for rancher/k3s, k3d-proxy
 * and k3d-tools, and a curl client for tests inside the clusters' Docker network.
 *
 * They contain the Kubernetes binaries built by offline/, the Go programs beside this file, and the host's busybox
 * (static), iptables and curl. Each image is one imported layer, without base image or builder. The comments on top of
 * k3s/main.go, proxy/main.go and tools/main.go say what these stand-ins leave untested. The curl image stands in for
 * curlimages/curl.
 *
 *     DOCKER_HOST=unix:///run/docker.sock node --import tsx offline/k3d-images/build.ts [tools directory]
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Names of the built images. Pass `k3s` to `k3d cluster create --image`, and the next two in k3d's environment. */
export interface Images {
  /** The node image. */
  k3s: string;
  /** K3D_IMAGE_LOADBALANCER */
  proxy: string;
  /** K3D_IMAGE_TOOLS */
  tools: string;
  /** `docker run --rm --network <network> <curl> <arguments of curl>` */
  curl: string;
}

export interface BuildArgs {
  /** The Docker engine, as in DOCKER_HOST (`unix:///run/docker.sock`). Default: the engine of the environment. */
  dockerHost?: string;
  /** Where etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok are. Default: on PATH. */
  toolsDir?: string;
  /** Called with one line per built image. Default: no output. */
  progress?: (line: string) => void;
}

interface Recipe {
  /** Files from elsewhere: path in the image -> path on this machine. */
  files: Record<string, string>;
  /** Path in the image -> target of the link. */
  links: Record<string, string>;
  /** Directories that must exist, without a leading slash. */
  directories: string[];
  /** A Go program: its path in the image, and its folder beside this file. */
  program?: { path: string; folder: string };
  /** Dockerfile instructions. */
  changes: string[];
}

const LABEL = "linkerd-multicluster-mesh.stand-in";
const KUBERNETES = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];

/** Builds the missing images. The same inputs give the same names, so an existing image is used again. */
export async function buildImages({ dockerHost, toolsDir, progress = () => undefined }: BuildArgs): Promise<Images> {
  const env = dockerHost === undefined ? process.env : { ...process.env, DOCKER_HOST: dockerHost };
  const base = await busybox();
  const recipes: Record<keyof Images, Recipe> = {
    k3s: merge(base, await firewall(), await k3s(toolsDir)),
    proxy: merge(base, {
      directories: ["etc/confd"],
      program: { path: "usr/bin/nginx-proxy", folder: "proxy" },
      changes: ['ENTRYPOINT ["/usr/bin/nginx-proxy"]'],
    }),
    tools: merge(base, {
      directories: ["app"],
      program: { path: "app/k3d-tools", folder: "tools" },
      changes: ["WORKDIR /app", 'ENTRYPOINT ["/app/k3d-tools"]'],
    }),
    curl: merge(base, await curl()),
  };
  const hashes = new Map<string, Promise<string>>();
  const images = await Promise.all(
    Object.entries(recipes).map(async ([name, recipe]) => {
      const image = `mesh-stand-in/${name}:${await inputHash(recipe, hashes)}`;
      const { stdout } = await execute("docker", ["image", "ls", "--quiet", image], { env });
      return { name, recipe, image, isThere: stdout.trim() !== "" };
    }),
  );
  const missing = images.filter(({ isThere }) => !isThere);
  // Removes older builds of the same images, unless a container still uses them. Docker prunes one at a time.
  for (const { name } of missing) {
    await execute("docker", ["image", "prune", "--all", "--force", "--filter", `label=${LABEL}=${name}`], { env });
  }
  await Promise.all(missing.map(({ name, recipe, image }) => build(name, recipe, { env, progress, image })));
  return Object.fromEntries(images.map(({ name, image }) => [name, image])) as unknown as Images;
}

async function k3s(toolsDir: string | undefined): Promise<Partial<Recipe>> {
  const files: Record<string, string> = {};
  for (const tool of KUBERNETES) {
    files[`opt/k3s/${tool}`] = await requiredProgram(tool, "build it with offline/tools", toolsDir);
  }
  return {
    files,
    links: { "bin/kubectl": "k3s", "bin/ctr": "k3s" },
    directories: ["output", "etc/rancher", "var/log", "var/lib/rancher/k3s"],
    program: { path: "bin/k3s", folder: "k3s" },
    changes: [
      // The volumes of the real image: a cluster's data lives and dies with its node container.
      "VOLUME /var/lib/rancher/k3s",
      "VOLUME /var/lib/kubelet",
      "VOLUME /var/lib/cni",
      "VOLUME /var/log",
      'ENTRYPOINT ["/bin/k3s"]',
      'CMD ["agent"]',
    ],
  };
}

async function busybox(): Promise<Recipe> {
  const path = await requiredProgram("busybox", "apt-get install busybox-static");
  if ((await libraries(path)).length > 0) {
    throw new Error(`${path} is not a static binary; install one: apt-get install busybox-static`);
  }
  const { stdout } = await execute(path, ["--list"]);
  const applets = stdout.split("\n").filter((applet) => applet !== "" && applet !== "busybox");
  return {
    files: { "bin/busybox": path },
    links: Object.fromEntries(applets.map((applet) => [`bin/${applet}`, "busybox"])),
    directories: ["tmp", "root", "run", "proc", "sys", "dev", "etc", "var"],
    changes: ["ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
  };
}

/** The host's iptables: k3d's entrypoint rewrites the rules that the host's Docker put into the container. */
async function firewall(): Promise<Partial<Recipe>> {
  const path = await realpath(await requiredProgram("iptables-save", "apt-get install iptables"));
  const extensions = await glob("/usr/lib", "xtables");
  const files = await withLibraries(`usr/sbin/${basename(path)}`, path);
  for (const extension of await readdir(extensions)) {
    Object.assign(files, { [join(extensions, extension).slice(1)]: join(extensions, extension) });
  }
  const names = ["iptables", "iptables-save", "iptables-restore"];
  return { files, links: Object.fromEntries(names.map((name) => [`usr/sbin/${name}`, basename(path)])) };
}

async function curl(): Promise<Partial<Recipe>> {
  const files = await withLibraries("usr/bin/curl", await requiredProgram("curl", "apt-get install curl"));
  return { files, changes: ['ENTRYPOINT ["/usr/bin/curl"]'] };
}

async function build(
  name: string,
  recipe: Recipe,
  { env, progress, image }: { env: NodeJS.ProcessEnv; progress: (line: string) => void; image: string },
): Promise<void> {
  const start = Date.now();
  const root = await mkdtemp(join(tmpdir(), `stand-in-${name}-`));
  try {
    await assemble(root, recipe);
    await importImage(root, image, [...recipe.changes, `LABEL ${LABEL}=${name}`], env);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  progress(`built ${image} in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

async function assemble(root: string, recipe: Recipe): Promise<void> {
  for (const directory of recipe.directories) {
    await mkdir(join(root, directory), { recursive: true });
  }
  for (const [to, from] of Object.entries(recipe.files)) {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await cp(from, join(root, to), { dereference: true });
  }
  if (recipe.program !== undefined) {
    const to = join(root, recipe.program.path);
    await execute("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", to, `./${recipe.program.folder}`], {
      cwd: __dirname,
      env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "-mod=mod" },
    });
  }
  for (const [path, target] of Object.entries(recipe.links)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    // A program in `files` or `program` wins over busybox's applet of the same name.
    await symlink(target, join(root, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  await writeFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
}

async function importImage(root: string, image: string, changes: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const tar = spawn("tar", ["-C", root, "--owner=0", "--group=0", "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const options = changes.flatMap((change) => ["--change", change]);
  const docker = spawn("docker", ["import", ...options, "-", image], { env, stdio: ["pipe", "ignore", "inherit"] });
  await Promise.all([pipeline(tar.stdout, docker.stdin), ended(tar, "tar"), ended(docker, "docker import")]);
}

function ended(child: ReturnType<typeof spawn>, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`${what} ended with ${code}`))));
  });
}

type Hashes = Map<string, Promise<string>>;

/** A digest of all contents of the image, and of this file. */
async function inputHash(recipe: Recipe, hashes: Hashes): Promise<string> {
  const digest = createHash("sha256").update(await readFile(__filename));
  const { files, ...rest } = recipe;
  digest.update(JSON.stringify(rest));
  const sources = { ...files };
  if (recipe.program !== undefined) {
    const folder = join(__dirname, recipe.program.folder);
    sources["go.mod"] = join(__dirname, "go.mod");
    for (const file of await readdir(folder)) sources[`program/${file}`] = join(folder, file);
  }
  for (const [to, from] of Object.entries(sources).sort(([a], [b]) => (a < b ? -1 : 1))) {
    let hash = hashes.get(from);
    if (hash === undefined) hashes.set(from, (hash = fileHash(from)));
    digest.update(`${to} ${await hash}\n`);
  }
  return digest.digest("hex").slice(0, 12);
}

async function fileHash(path: string): Promise<string> {
  const digest = createHash("sha256");
  await pipeline(createReadStream(path), digest);
  return digest.digest("hex");
}

function merge(...parts: Partial<Recipe>[]): Recipe {
  return {
    files: Object.assign({}, ...parts.map((part) => part.files)) as Recipe["files"],
    // Later parts win over busybox's applets.
    links: Object.assign({}, ...parts.map((part) => part.links)) as Recipe["links"],
    directories: parts.flatMap((part) => part.directories ?? []),
    program: parts.find((part) => part.program !== undefined)?.program,
    changes: parts.flatMap((part) => part.changes ?? []),
  };
}

/** @param path directories as in PATH. Default: PATH and Debian's directories for a superuser's programs. */
async function requiredProgram(
  name: string,
  install: string,
  path = `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/bin`,
): Promise<string> {
  for (const directory of path.split(":")) {
    if (directory !== "" && (await exists(join(directory, name)))) return join(directory, name);
  }
  throw new Error(`The stand-in images need ${name}, which is not in ${path}: ${install}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Shared libraries of a binary, including its loader. Empty for a static binary. */
async function libraries(path: string): Promise<string[]> {
  const { stdout } = await execute("ldd", [path]).catch((error: { stderr?: string; stdout?: string }) => {
    if (`${error.stdout}${error.stderr}`.includes("not a dynamic executable")) return { stdout: "" };
    throw error as Error;
  });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] as string);
}

async function withLibraries(to: string, path: string): Promise<Record<string, string>> {
  const files: Record<string, string> = { [to]: path };
  for (const library of await libraries(path)) files[library.slice(1)] = library;
  return files;
}

/** The first directory called `name` under `root`, at its depth or one below (/usr/lib/<architecture>/xtables). */
async function glob(root: string, name: string): Promise<string> {
  for (const directory of [root, ...(await readdir(root)).map((entry) => join(root, entry))]) {
    if (await exists(join(directory, name))) return join(directory, name);
  }
  throw new Error(`${root} has no ${name}: apt-get install iptables`);
}

if (require.main === module) {
  const progress = (line: string) => console.error(line);
  void buildImages({ toolsDir: process.argv[2], progress }).then((images) => console.log(images));
}
