import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { freePorts } from "../../lib/ports";
import { stages } from "../../components/clusters/lifecycle/kwokSimulation";

const exec = promisify(execFile);

/** A throw-away kwok cluster: a real API server, one simulated node. */
export interface KwokCluster {
  kubeconfig: string;
  /** `https://127.0.0.1:...` */
  server: string;
  delete(): Promise<void>;
}

const binaries = {
  "--etcd-binary": "etcd",
  "--kube-apiserver-binary": "kube-apiserver",
  "--kube-controller-manager-binary": "kube-controller-manager",
  "--kube-scheduler-binary": "kube-scheduler",
  "--kwok-controller-binary": "kwok",
};

/** A port of every pod, and the port of this machine that a port-forward to it leads to. */
export interface PodPort {
  pod: number;
  here: number;
}

/**
 * Brings up a cluster of the test's own, with all its files in one temporary folder. The test chooses every port,
 * because kwokctl picks the same free ones for two clusters at once. etcd's peer port has no flag.
 *
 * @example const east = await createKwok("verify-east"); try { ... } finally { await east.delete(); }
 */
export async function createKwok(name: string, podPorts: readonly PodPort[] = []): Promise<KwokCluster> {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  const env = { ...process.env, KWOK_WORKDIR: folder };
  const kubeconfig = join(folder, "kubeconfig");
  const config = join(folder, "config.yaml");
  const api = await freePorts(6);
  const options = {
    runtime: "binary",
    kubeApiserverPort: api,
    etcdPort: api + 1,
    etcdPeerPort: api + 2,
    kubeControllerManagerPort: api + 3,
    kubeSchedulerPort: api + 4,
    kwokControllerPort: api + 5,
  };
  // https://kwok.sigs.k8s.io/docs/user/port-forward-configuration/
  const forwards = podPorts.map(({ pod, here }) => ({ ports: [pod], target: { port: here, address: "127.0.0.1" } }));
  const documents = [
    { apiVersion: "config.kwok.x-k8s.io/v1alpha1", kind: "KwokctlConfiguration", options },
    {
      apiVersion: "kwok.x-k8s.io/v1alpha1",
      kind: "ClusterPortForward",
      metadata: { name: "pods" },
      spec: { forwards },
    },
    ...stages,
  ];
  await writeFile(config, documents.map((document) => stringify(document)).join("---\n"));
  const flags = Object.entries(binaries).flatMap(([flag, binary]) => {
    const file = onPath(binary);
    return file === undefined ? [] : [flag, file];
  });
  const kwokctl = (...args: string[]): Promise<unknown> =>
    exec("kwokctl", ["--name", name, "--config", config, ...args], { env });
  const remove = async (): Promise<void> => {
    await kwokctl("delete", "cluster", "--kubeconfig", kubeconfig);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    // Without a controller manager's rate limits: a test is the only client.
    await kwokctl("create", "cluster", "--kubeconfig", kubeconfig, "--wait", "2m", "--disable-qps-limits", ...flags);
    await kwokctl("scale", "node", "--replicas", "1");
  } catch (error) {
    await remove();
    throw error;
  }
  // Certificates as data: the kubeconfig must be usable from elsewhere.
  const { stdout } = await exec("kubectl", ["config", "view", "--flatten", "--kubeconfig", kubeconfig]);
  return { kubeconfig: stdout, server: `https://127.0.0.1:${api}`, delete: remove };
}

function onPath(binary: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, binary)).find((file) => existsSync(file));
}
