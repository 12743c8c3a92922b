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

/** A tool that the npm scripts provide. */
export interface Tool {
  name: string;
  /** The version that is downloaded or built. */
  version: string;
  /** The oldest version on PATH that is used instead. Default: any version. */
  oldest?: string;
  /** The tool's executables; all are needed. */
  programs: string[];
  /** Arguments that make the first program print its version. */
  versionArgs?: string[];
  /** The publisher's downloads. */
  download?: (platform: Platform) => Download;
  /** Set when another program downloads the tool by itself. The npm scripts then do nothing if `url` answers. */
  fetchedBy?: {
    program: string;
    url: (platform: Platform) => string;
    /** Whether that program has already downloaded it from there. */
    isKept: (url: string) => boolean;
  };
  /** Set for a provider plugin: see plugins.ts. */
  plugin?: Plugin;
  /** Folders of offline/tools to build if the publisher cannot be reached. */
  modules: string[];
  /** A folder with executables of the same names, used instead of a build. */
  standIn?: string;
}

/** Files of a release, each an executable or a tar.gz with executables. */
export interface Download {
  urls: string[];
  /** URL of a list of `<sha256> <file>` lines. Absent where the publisher has none. */
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
  // The engine must not be older than the SDK.
  oldest: dependencies["@pulumi/pulumi"],
  programs: ["pulumi", "pulumi-language-nodejs"],
  versionArgs: ["version"],
  download: ({ os, arch }) => ({
    urls: [`https://get.pulumi.com/releases/sdk/pulumi-v3.259.0-${os}-${arch === "amd64" ? "x64" : arch}.tar.gz`],
    checksums: `${github("pulumi/pulumi", "v3.259.0")}/pulumi-3.259.0-checksums.txt`,
  }),
  modules: ["pulumi", "language-nodejs"],
};

/** A provider plugin. The engine downloads it at its first use. */
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
  // The version inside the kubernetes provider of offline/, so that both are built from the same modules.
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
  // kwok publishes no checksums: only HTTPS protects these two downloads.
  download: ({ os, arch }) => ({
    urls: ["kwokctl", "kwok"].map((program) => `${github("kubernetes-sigs/kwok", "v0.7.0")}/${program}-${os}-${arch}`),
  }),
  modules: ["kwok"],
};

const kubernetes: Tool = {
  name: "kubernetes",
  version: "v1.34.4",
  // Linkerd's proxies are native sidecars. These are on by default since 1.29, and work as Linkerd needs since 1.31.
  oldest: "1.31.0",
  programs: ["kube-apiserver", "kube-controller-manager", "kube-scheduler"],
  versionArgs: ["--version"],
  fetchedBy: {
    program: "kwokctl",
    // Kubernetes releases no servers for macOS, but kwok's maintainers do.
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
  // With an older one the API server ends every watch of kwok at once (RequestWatchProgress, etcd issues 15220, 17507).
  oldest: "3.5.13",
  programs: ["etcd"],
  versionArgs: ["--version"],
  fetchedBy: {
    program: "kwokctl",
    // The etcd version that kwokctl 0.7.0 uses for Kubernetes 1.34.
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

/** The tools of each runtime. k3d also needs Docker; the program itself checks for it. */
export const toolsFor: Record<Runtime, Tool[]> = {
  kwok: [...engine, kwok, kubernetes, etcd],
  k3d: [...engine, k3d],
  existing: engine,
};

/** This machine, in the names that Go and most release files use. */
export function thisPlatform(): Platform {
  return { os: process.platform, arch: process.arch === "x64" ? "amd64" : process.arch };
}
