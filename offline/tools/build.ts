// Builds the tools from pinned Go modules, for networks that reach Go's module proxy but not the publishers' downloads.
// These are the real tools. Two of them are older than the released ones, because no newer version is served as a Go
// module: the Node.js language host (3.68.0) and the kubernetes provider (4.25.0).
//
// By hand: node --import tsx offline/tools/build.ts etcd kwok
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { dependencies } from "../../package.json";
import { cacheDirectory } from "../../lib/paths";
import { capture, run, say, UserError } from "../../lib/run";
import { exclusively, toolsLock } from "../../lib/locks";

/** A folder beside this file with go.mod and go.sum, and the packages to build with them. */
interface Module {
  version: string;
  packages: string[];
  /** Name of the executable if it differs from the package's. */
  output?: string;
  /** Linker flags that set the version, because a build from Go modules leaves it out. */
  stamp?: string;
  /** Build time in seconds, on two cores with empty Go caches. */
  seconds: number;
  /** Files of a module that the program in this folder embeds. */
  embeds?: { module: string; files: string[] };
  /** A script in this folder that is copied beside the executables. */
  launcher?: string;
}

const kubernetesVersion = "k8s.io/component-base/version";
const pulumiVersion = "github.com/pulumi/pulumi/sdk/v3/go/common/version";
const providerModule = "github.com/pulumi/pulumi-kubernetes/provider/v4";

const modules: Record<string, Module> = {
  etcd: { version: "v3.6.5", packages: ["go.etcd.io/etcd/server/v3"], output: "etcd", seconds: 40 },
  kwok: {
    version: "v0.7.0",
    packages: ["sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok/cmd/kwokctl"],
    stamp: "-X sigs.k8s.io/kwok/pkg/consts.Version=0.7.0",
    seconds: 120,
  },
  kubernetes: {
    version: "v1.34.4",
    packages: ["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map(
      (name) => `k8s.io/kubernetes/cmd/${name}`,
    ),
    stamp: `-X ${kubernetesVersion}.gitVersion=v1.34.4 -X ${kubernetesVersion}.gitMajor=1 -X ${kubernetesVersion}.gitMinor=34`,
    seconds: 360,
  },
  pulumi: {
    version: "v3.259.0",
    packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
    stamp: `-X ${pulumiVersion}.Version=v3.259.0`,
    // The engine looks for language hosts beside itself first, and warns about one elsewhere on PATH.
    launcher: "pulumi-language-nodejs",
    seconds: 276,
  },
  "language-nodejs": {
    version: "v3.68.0",
    packages: ["github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"],
    output: "pulumi-language-nodejs-host",
    stamp: `-X ${pulumiVersion}.Version=v3.68.0`,
    seconds: 27,
  },
  // Only the test of the components needs it.
  "language-yaml": {
    version: "v1.25.0",
    packages: ["github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml"],
    seconds: 150,
  },
  "provider-kubernetes": {
    version: "v4.25.0",
    packages: ["."],
    output: "pulumi-resource-kubernetes",
    // The engine warns about a provider that reports an older version than requested. It ignores a suffix after "+".
    stamp: `-X ${providerModule}/pkg/version.Version=${dependencies["@pulumi/kubernetes"]}+built.from.4.25.0`,
    seconds: 613,
    embeds: {
      module: providerModule,
      files: ["schema.json", "terraform-mapping.json"].map((file) => `cmd/pulumi-resource-kubernetes/${file}`),
    },
  },
  helm: {
    version: "v3.18.6",
    packages: ["helm.sh/helm/v3/cmd/helm"],
    output: "helm",
    stamp: "-X helm.sh/helm/v3/internal/version.version=v3.18.6",
    seconds: 120,
  },
  k3d: {
    version: "v5.9.0",
    packages: ["github.com/k3d-io/k3d/v5"],
    output: "k3d",
    stamp: "-X github.com/k3d-io/k3d/v5/version.Version=v5.9.0",
    seconds: 60,
  },
};

const kept = path.join(cacheDirectory(), "tools");

/** The directory for a module's executables. Each version, recipe and set of checksums has its own. */
export function builtDirectory(name: string): string {
  const module = lookUp(name);
  const hash = createHash("sha256").update(JSON.stringify(module));
  for (const file of sources(name)) hash.update(file).update(fs.readFileSync(path.join(__dirname, name, file)));
  return path.join(kept, `${name}-${module.version}-${hash.digest("hex").slice(0, 12)}`);
}

/** Whether any clone has built the module on this machine. */
export function isBuilt(name: string): boolean {
  return fs.existsSync(builtDirectory(name));
}

/**
 * Builds the missing modules one after the other, and keeps them for all clones.
 *
 * @returns the directories with the executables
 * @throws UserError without Go 1.26, or when a build fails. It then names the log.
 */
export async function build(names: string[]): Promise<string[]> {
  if (!names.every(isBuilt)) {
    await exclusively(kept, () => buildMissing(names), toolsLock);
  }
  return names.map(builtDirectory);
}

async function buildMissing(names: string[]): Promise<void> {
  const missing = names.filter((name) => !isBuilt(name));
  if (missing.length === 0) return;
  await checkGo();
  const seconds = missing.reduce((sum, name) => sum + estimate(name), 0);
  say(`Building ${missing.join(", ")} from Go modules: about ${minutes(seconds)}, once; kept in ${kept}`);
  for (const name of missing) await buildOne(name);
}

async function buildOne(name: string): Promise<void> {
  const module = lookUp(name);
  // Builds outside the work tree: embedded files must be copied beside the program, and would show in `git status`.
  const directory = path.join(kept, `.build-${name}`);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(path.join(directory, "bin"), { recursive: true });
  for (const file of sources(name)) fs.copyFileSync(path.join(__dirname, name, file), path.join(directory, file));

  const logFile = path.join(kept, `${name}.log`);
  const log = await fs.promises.open(logFile, "w");
  const go = async (...args: string[]) => {
    const code = await run("go", args, { cwd: directory, env: goEnvironment(), output: log });
    if (code === 130 || code === 143)
      throw new UserError(`Building ${name} was interrupted. Next: the same command again`);
    if (code !== 0)
      throw new UserError(`Building ${name}: go ${args[0]} failed with code ${code}. Next: read ${logFile}`);
  };
  const began = Date.now();
  const elapsed = () => Math.round((Date.now() - began) / 1000);
  say(`  ${name} ${module.version}: about ${minutes(estimate(name))} ...`);
  const ticker = setInterval(() => say(`  ${name}: ${minutes(elapsed())} of about ${minutes(estimate(name))}`), 15_000);
  try {
    if (module.embeds) {
      await go("mod", "download", module.embeds.module);
      const list = await capture("go", ["list", "-m", "-f", "{{.Dir}}", module.embeds.module], {
        cwd: directory,
        env: goEnvironment(),
      });
      for (const file of module.embeds.files) {
        const copy = path.join(directory, path.basename(file));
        fs.copyFileSync(path.join(list.stdout.trim(), file), copy);
      }
    }
    const output = path.join("bin", module.output ?? "/");
    await go("build", "-ldflags", `-s -w ${module.stamp ?? ""}`, "-o", output, ...module.packages);
    if (module.launcher) {
      fs.copyFileSync(path.join(__dirname, name, module.launcher), path.join(directory, "bin", module.launcher));
    }
  } finally {
    clearInterval(ticker);
    await log.close();
  }
  fs.renameSync(path.join(directory, "bin"), builtDirectory(name));
  fs.rmSync(directory, { recursive: true });
  say(`  ${name} ${module.version}: built in ${minutes(elapsed())}`);
}

function goEnvironment(): Record<string, string> {
  // -mod=readonly refuses modules that are not in go.sum.
  const flags = [process.env.GOFLAGS, "-trimpath", "-buildvcs=false", "-mod=readonly"];
  return { CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off", GOFLAGS: flags.filter(Boolean).join(" ") };
}

async function checkGo(): Promise<void> {
  const { stdout } = await capture("go", ["env", "GOVERSION"], { env: goEnvironment() });
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(stdout) ?? [];
  if (Number(major) > 1 || Number(minor) >= 26) return;
  const found = stdout.trim() || "missing";
  throw new UserError(
    `go is ${found}; allowed: 1.26 or later. Next: install it from https://go.dev/dl, then try again`,
  );
}

/** The source files of a build, without any files that an earlier build copied beside them. */
function sources(name: string): string[] {
  const { launcher } = lookUp(name);
  return fs.readdirSync(path.join(__dirname, name)).filter((file) => /\.(go|mod|sum)$/.test(file) || file === launcher);
}

/** Build time in seconds on this machine, by its number of cores. Linking does not get faster with more cores. */
function estimate(name: string): number {
  return Math.round(lookUp(name).seconds * Math.max(0.25, 2 / os.availableParallelism()));
}

function minutes(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
}

function lookUp(name: string): Module {
  const module = modules[name];
  if (!module) throw new UserError(`module is ${name}; allowed: ${Object.keys(modules).join(", ")}`);
  return module;
}

if (require.main === module) {
  build(process.argv.slice(2)).then(
    (directories) => console.log(directories.join("\n")),
    (error: unknown) => {
      say(error instanceof UserError ? error.message : String(error));
      process.exitCode = 1;
    },
  );
}
