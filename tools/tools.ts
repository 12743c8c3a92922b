import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { dependencies } from "../package.json";
import type { Runtime } from "../config/settings";
import { isDownloaded, type Plugin } from "./plugins";
import { pulumiHome } from "./pulumiHome";

/** `linux` or `darwin`, `amd64` or `arm64`. */
export interface Platform {
  os: string;
  arch: string;
}

/** A tool the wrapper sees to. */
export interface Tool {
  name: string;
  /** The version that is fetched or built. */
  version: string;
  /** The oldest version on PATH that is taken instead. Absent: whatever is on PATH. */
  oldest?: string;
  /** Executables it consists of; all are needed. */
  programs: string[];
  /** Arguments that make the first program say its version. */
  versionArgs?: string[];
  /** Where its publisher offers it. */
  download?: (platform: Platform) => Download;
  /** Set when another program fetches it by itself, so that the wrapper has nothing to do where `url` answers. */
  fetchedBy?: {
    program: string;
    url: (platform: Platform) => string;
    /** Whether that program fetched it from there before. */
    isKept: (url: string) => boolean;
  };
  /** Set for a provider of the engine's, see plugins.ts. */
  plugin?: Plugin;
  /** What to build where the publisher cannot be reached: folders of offline/tools. */
  modules: string[];
  /** What takes its place there: a folder with executables of the same names. */
  standIn?: string;
}

/** Files of a release, each an executable or a tar.gz with executables. */
export interface Download {
  urls: string[];
  /** A list of `<sha256> <file>` lines. Absent where the publisher gives none. */
  checksums?: string;
}

const github = (repository: string, version: string) => `https://github.com/${repository}/releases/download/${version}`;

function isInKwokCache(url: string): boolean {
  const { host, pathname } = new URL(url);
  const kwok = process.env.KWOK_WORKDIR ?? path.join(os.homedir(), ".kwok");
  return fs.existsSync(path.join(kwok, "cache", "https", host, pathname));
}

const pulumi: Tool = {
  name: "pulumi",
  version: "v3.259.0",
  // The engine must not be older than the SDK that talks to it.
  oldest: dependencies["@pulumi/pulumi"],
  programs: ["pulumi", "pulumi-language-nodejs"],
  versionArgs: ["version"],
  download: ({ os, arch }) => ({
    urls: [`https://get.pulumi.com/releases/sdk/pulumi-v3.259.0-${os}-${arch === "amd64" ? "x64" : arch}.tar.gz`],
    checksums: `${github("pulumi/pulumi", "v3.259.0")}/pulumi-3.259.0-checksums.txt`,
  }),
  modules: ["pulumi", "language-nodejs"],
};

/** A provider of the engine's, which the engine fetches at its first use. */
function plugin(name: "kubernetes" | "tls" | "command", instead: Pick<Tool, "modules" | "standIn">): Tool {
  const version = `v${dependencies[`@pulumi/${name}`]}`;
  return {
    name: `pulumi-resource-${name}`,
    version,
    programs: [`pulumi-resource-${name}`],
    fetchedBy: {
      program: "pulumi",
      url: ({ os, arch }) =>
        `https://get.pulumi.com/releases/plugins/pulumi-resource-${name}-${version}-${os}-${arch}.tar.gz`,
      isKept: () => isDownloaded(pulumiHome(), { name, version }),
    },
    plugin: { name, version },
    ...instead,
  };
}

const helm: Tool = {
  name: "helm",
  // The one that the kubernetes provider of offline/ has in it, so that both are built from the same modules.
  version: "v3.18.6",
  oldest: "3.12.0",
  programs: ["helm"],
  versionArgs: ["version", "--short"],
  download: ({ os, arch }) => ({
    urls: [`https://get.helm.sh/helm-v3.18.6-${os}-${arch}.tar.gz`],
    checksums: `https://get.helm.sh/helm-v3.18.6-${os}-${arch}.tar.gz.sha256sum`,
  }),
  modules: ["helm"],
};

const engine: Tool[] = [
  pulumi,
  helm,
  plugin("kubernetes", { modules: ["provider-kubernetes"] }),
  plugin("tls", { modules: [], standIn: "offline/plugins" }),
  plugin("command", { modules: [], standIn: "offline/plugins" }),
];

const kwok: Tool = {
  name: "kwok",
  version: "v0.7.0",
  oldest: "0.7.0",
  programs: ["kwokctl", "kwok"],
  versionArgs: ["--version"],
  // kwok publishes no checksums: HTTPS alone vouches for these two.
  download: ({ os, arch }) => ({
    urls: ["kwokctl", "kwok"].map((program) => `${github("kubernetes-sigs/kwok", "v0.7.0")}/${program}-${os}-${arch}`),
  }),
  modules: ["kwok"],
};

const kubernetes: Tool = {
  name: "kubernetes",
  version: "v1.34.4",
  // Linkerd's proxies are native sidecars: on by default since 1.29, as Linkerd wants them since 1.31.
  oldest: "1.31.0",
  programs: ["kube-apiserver", "kube-controller-manager", "kube-scheduler"],
  versionArgs: ["--version"],
  fetchedBy: {
    program: "kwokctl",
    // Kubernetes itself releases no servers for macOS; kwok's maintainers do.
    url: ({ os, arch }) =>
      os === "linux"
        ? `https://dl.k8s.io/release/v1.34.4/bin/linux/${arch}/kube-apiserver`
        : `${github("kwok-ci/k8s", `v1.34.4-kwok.0-${os}-${arch}`)}/kube-apiserver`,
    isKept: isInKwokCache,
  },
  modules: ["kubernetes"],
};

const etcd: Tool = {
  name: "etcd",
  version: "v3.6.5",
  oldest: "3.4.0",
  programs: ["etcd"],
  versionArgs: ["--version"],
  fetchedBy: {
    program: "kwokctl",
    // The etcd that kwokctl 0.7.0 takes for Kubernetes 1.34.
    url: ({ os, arch }) =>
      `${github("etcd-io/etcd", "v3.5.21")}/etcd-v3.5.21-${os}-${arch}.${os === "linux" ? "tar.gz" : "zip"}`,
    isKept: isInKwokCache,
  },
  modules: ["etcd"],
};

const k3d: Tool = {
  name: "k3d",
  version: "v5.9.0",
  oldest: "5.9.0",
  programs: ["k3d"],
  versionArgs: ["version"],
  download: ({ os, arch }) => ({
    urls: [`${github("k3d-io/k3d", "v5.9.0")}/k3d-${os}-${arch}`],
    checksums: `${github("k3d-io/k3d", "v5.9.0")}/checksums.txt`,
  }),
  modules: ["k3d"],
};

/** What each runtime needs. Docker, which k3d needs too, is looked for by the program itself. */
export const toolsFor: Record<Runtime, Tool[]> = {
  kwok: [...engine, kwok, kubernetes, etcd],
  k3d: [...engine, k3d],
  existing: engine,
};

/** This machine, in the words of Go and of most release files. */
export function thisPlatform(): Platform {
  return { os: process.platform, arch: process.arch === "x64" ? "amd64" : process.arch };
}
