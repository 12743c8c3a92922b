import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { stringify } from "yaml";
import { claim, type LocalRuntime, mayClear, refuseOthers } from "./check";
import { addContext, removeContext, standalone } from "../../../lib/userKubeconfig";
import { exists, whichProgram, writePrivately } from "../../../lib/files";
import { exclusively } from "../../../lib/locks";
import { clusterDirectory, ownKubeconfig } from "../../../lib/paths";
import { endLeftRunning } from "../../../lib/processes";
import { outputOf } from "../../../lib/run";
import { runVerb } from "../../../lib/verbs";
import { endOrphanedPlugins } from "../../../lib/orphanedPlugins";
import { schedulerConfiguration, shortNodeLease, stages, withoutVolumeBinder } from "./kwokSimulation";
import { kubernetesVersion, type LocalSpec, variable } from "./spec";

async function create(spec: LocalSpec, owner: string): Promise<void> {
  await refuseOthers(kwok, spec.name, owner);
  await clear(spec, owner);
  await claim(kwok, spec, owner);
  await fs.mkdir(kwokDirectory(spec.name), { recursive: true });
  await fs.writeFile(signature(spec.name), owner);

  const config = path.join(clusterDirectory(spec.name), "kwok.yaml");
  await writePrivately(config, configuration(spec));
  await writePrivately(schedulerFile(spec.name), stringify(schedulerConfiguration));
  const fresh = `${ownKubeconfig(spec.name)}.new`;
  await fs.rm(fresh, { force: true });
  const binaries = await localBinaries();
  const common = ["--name", spec.name, "--config", config];
  await outputOf("kwokctl", [...common, "create", "cluster", "--kubeconfig", fresh, "--wait", "2m", ...binaries]);
  await outputOf("kwokctl", [...common, "scale", "node", "--replicas", "1"]);

  const kubeconfig = await standalone(await fs.readFile(fresh, "utf8"), spec.context);
  await addContext(kubeconfig);
  await fs.rm(fresh);
  await writePrivately(ownKubeconfig(spec.name), kubeconfig);
}

async function remove(spec: LocalSpec, owner: string): Promise<void> {
  if (await mayClear(kwok, spec.name, owner)) await clear(spec, owner);
}

/** Removes all of this stack's cluster, complete or half made: processes, directory, context, files. */
async function clear(spec: LocalSpec, owner: string): Promise<void> {
  await endOrphanedPlugins();
  await fs.rm(ownKubeconfig(spec.name), { force: true });
  await endLeftRunning((command) => command.startsWith(`kwokctl --name ${spec.name} `));
  if (await exists(path.join(kwokDirectory(spec.name), "kwok.yaml"))) {
    await writePrivately(beingCleared(spec.name), owner);
    const unused = path.join(clusterDirectory(spec.name), "kubeconfig.unused");
    await outputOf("kwokctl", ["--name", spec.name, "delete", "cluster", "--kubeconfig", unused]);
  }
  // kwokctl ended the processes it knew of. A killed kwokctl may not have recorded all that it started.
  await endLeftRunning((command) => command.startsWith(path.join(kwokDirectory(spec.name), "bin/")));
  await removeContext(spec.context);
  await fs.rm(kwokDirectory(spec.name), { recursive: true, force: true });
  await fs.rm(clusterDirectory(spec.name), { recursive: true, force: true });
}

/** kwok clusters as preflight and the verbs below see them. */
export const kwok: LocalRuntime = {
  name: "kwok",
  program: "kwokctl",
  async find(name) {
    // A creation killed before it wrote the signature leaves an empty directory.
    const isThere = (await exists(kwokDirectory(name))) && (await fs.readdir(kwokDirectory(name))).length > 0;
    if (!isThere) return undefined;
    const [signed, cleared] = [signature(name), beingCleared(name)].map((file) =>
      fs.readFile(file, "utf8").catch(() => undefined),
    );
    return { owner: (await signed) ?? (await cleared), running: await isRunning(name) };
  },
  stop: (name) => outputOf("kwokctl", ["--name", name, "stop", "cluster"]),
  async start(name) {
    const kwokctl = (...verb: string[]) => outputOf("kwokctl", ["--name", name, ...verb]);
    // An API server that outlives its etcd waits up to two minutes between attempts to reach the next one, separately
    // for each kind of object. So all programs begin together.
    if (!(await isRunning(name))) await kwokctl("stop", "cluster");
    await kwokctl("start", "cluster", "--timeout", "20s");
  },
  deleteCommand: (name) => `kwokctl --name ${name} delete cluster`,
};

/** Whether every program that kwokctl started still runs. Nothing restarts one that died. */
async function isRunning(name: string): Promise<boolean> {
  const directory = path.join(kwokDirectory(name), "pids");
  if (!(await exists(directory))) return false;
  for (const file of await fs.readdir(directory)) {
    const pid = Number(await fs.readFile(path.join(directory, file), "utf8"));
    try {
      process.kill(pid, 0);
    } catch {
      return false;
    }
  }
  return true;
}

function kwokDirectory(name: string): string {
  return path.join(process.env.KWOK_WORKDIR ?? path.join(os.homedir(), ".kwok"), "clusters", name);
}

/** kwokctl copies it into its own directory. */
function schedulerFile(name: string): string {
  return path.join(clusterDirectory(name), "scheduler.yaml");
}

/** Written before kwokctl runs, so that a half-made cluster has a known owner. */
function signature(name: string): string {
  return path.join(kwokDirectory(name), "mesh-owner");
}

/** Names the owner during deletion: kwokctl deletes the signature too, and may be killed right after that. */
function beingCleared(name: string): string {
  return path.join(clusterDirectory(name), "being-cleared");
}

/**
 * Sets every port. Otherwise kwokctl picks free ones, and two at once pick the same. etcd's peer port has no flag.
 */
function configuration(spec: LocalSpec): string {
  const [apiServer, etcd, etcdPeer, controllerManager, scheduler, kwok] = spec.ports;
  const ports = {
    kubeApiserverPort: apiServer,
    etcdPort: etcd,
    etcdPeerPort: etcdPeer,
    kubeControllerManagerPort: controllerManager,
    kubeSchedulerPort: scheduler,
    kwokControllerPort: kwok,
  };
  const kwokctl = {
    apiVersion: "config.kwok.x-k8s.io/v1alpha1",
    kind: "KwokctlConfiguration",
    options: {
      runtime: "binary",
      kubeVersion: kubernetesVersion,
      kubeSchedulerConfig: schedulerFile(spec.name),
      ...ports,
    },
    componentsPatches: [shortNodeLease, withoutVolumeBinder],
  };
  return [kwokctl, ...stages].map((document) => stringify(document)).join("---\n");
}

/** Binaries on PATH, which kwokctl would download otherwise. */
async function localBinaries(): Promise<string[]> {
  const flags = {
    "--etcd-binary": "etcd",
    "--kube-apiserver-binary": "kube-apiserver",
    "--kube-controller-manager-binary": "kube-controller-manager",
    "--kube-scheduler-binary": "kube-scheduler",
    "--kwok-controller-binary": "kwok",
  };
  const found: string[] = [];
  for (const [flag, binary] of Object.entries(flags)) {
    const file = await whichProgram(binary);
    if (file) found.push(flag, file);
  }
  return found;
}

if (require.main === module) {
  const spec = JSON.parse(variable("MESH_CLUSTER")) as LocalSpec;
  const owner = variable("MESH_OWNER");
  const locked = (work: () => Promise<void>) => () => exclusively(clusterDirectory(spec.name), work);
  void runVerb({
    claim: locked(() => claim(kwok, spec, owner)),
    create: locked(() => create(spec, owner)),
    update: () => Promise.resolve(),
    delete: locked(() => remove(spec, owner)),
    kubeconfig: async () => void process.stdout.write(await fs.readFile(ownKubeconfig(spec.name), "utf8")),
  });
}
