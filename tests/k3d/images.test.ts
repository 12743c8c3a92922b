/**
 * The base of the k3d tests: a Docker engine, the stand-in images, and one cluster that the real k3d CLI makes of them.
 * offline/k3d-images says what the images stand in for, and what they leave unproved.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { buildImages, type Images } from "../../offline/k3d-images/build";
import { importImages, imagesProblem } from "../../components/clusters/lifecycle/k3d";
import { type Engine, startEngine } from "./engine";
import { eventually } from "../lib/eventually";
import { processes } from "../lib/processes";
import { run } from "./machine";

const NAME = "images-test";
const NETWORK = "images-test";
const API_SERVER = `https://k3d-${NAME}-serverlb:6443`;
/** Seconds after which k3d gives up and rolls back. Without it, k3d waits for ever on a broken node. */
const TIMEOUT = "180s";

interface Kubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data": string } }[];
  contexts: { name: string }[];
}

let directory: string;
let engine: Engine;
let images: Images;

before(async () => {
  // Not the default temporary directory: the engine's socket wants a short path.
  directory = await mkdtemp("/tmp/k3d-");
  engine = await startEngine(join(directory, "engine"));
  images = await buildImages({ dockerHost: engine.env.DOCKER_HOST });
  // For everything started from here on: docker, k3d, kubectl.
  Object.assign(process.env, engine.env, {
    KUBECONFIG: join(directory, "kubeconfig"),
    TMPDIR: directory, // k3d leaves a copy of each node's hosts file there
    K3D_IMAGE_LOADBALANCER: images.proxy,
    K3D_IMAGE_TOOLS: images.tools,
  });
  await run("docker", "network", "create", NETWORK);
});

after(async () => {
  if (images !== undefined) {
    await run("k3d", "cluster", "delete", NAME);
    await run("docker", "network", "rm", NETWORK);
  }
  await engine?.stop();
  const left = (await processes()).filter(({ command }) => command.includes(directory));
  assert.deepEqual(left, [], "no process of the engine is left");
  await rm(directory, { recursive: true, force: true });
});

test("the same inputs give the same images, without a second build", async () => {
  const lines: string[] = [];
  const again = await buildImages({
    dockerHost: engine.env.DOCKER_HOST,
    progress: (line) => lines.push(line),
  });
  assert.deepEqual(again, images);
  assert.deepEqual(lines, []);
});

test("k3d makes a cluster from the stand-ins on an existing network", async () => {
  await create(
    "--k3s-arg",
    `--cluster-domain=${NAME}.cluster.local@server:0`,
    "--k3s-arg",
    "--disable=traefik@server:0",
  );
  const kubeconfig = await clusterKubeconfig();
  assert.equal(kubeconfig.contexts[0]?.name, `k3d-${NAME}`);

  const issuer = await kubectl("get", "--raw", "/.well-known/openid-configuration");
  assert.match(issuer, /"issuer":"https:\/\/kubernetes\.default\.svc\.images-test\.cluster\.local"/);
  await kubectl("wait", "--for=condition=Ready", `node/k3d-${NAME}-server-0`, "--timeout=60s");
});

test("the API server is trusted under its name on the network only", async () => {
  assert.match(await fromNetwork(`${API_SERVER}/version`), /"gitVersion"/);
  const { running, address } = await inspect(`k3d-${NAME}-serverlb`);
  assert.equal(running, true);
  await assert.rejects(
    fromNetwork("https://other:6443/version", "--resolve", `other:6443:${address}`),
    /no alternative certificate subject name matches target host name 'other'/,
  );
});

test("a LoadBalancer service gets the node's address, and StatefulSet pods become ready", async () => {
  const manifest = join(directory, "workload.json");
  const selector = { app: "nginx" };
  const objects = [
    { kind: "Service", metadata: { name: "gateway" }, spec: { type: "LoadBalancer", selector, ports: [{ port: 80 }] } },
    {
      ...{ apiVersion: "apps/v1", kind: "StatefulSet", metadata: { name: "nginx-set" } },
      spec: {
        ...{ replicas: 3, serviceName: "nginx-svc", selector: { matchLabels: selector } },
        template: { metadata: { labels: selector }, spec: { containers: [{ name: "nginx", image: "nginx" }] } },
      },
    },
  ];
  await writeFile(
    manifest,
    JSON.stringify({
      apiVersion: "v1",
      kind: "List",
      items: objects.map((object) => ({ apiVersion: "v1", ...object })),
    }),
  );
  await kubectl("apply", "--filename", manifest);
  await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "statefulset/nginx-set", "--timeout=60s");
  const { address } = await inspect(`k3d-${NAME}-server-0`);
  assert.equal(
    await kubectl("get", "service/gateway", "--output=jsonpath={.status.loadBalancer.ingress[*].ip}"),
    address,
  );
});

test("local images reach the node, however busy the machine is", async () => {
  const node = `k3d-${NAME}-server-0`;
  const tags = Array.from({ length: 10 }, (_, index) => `images-test.local/imported:${index}`);
  for (const tag of tags) await run("docker", "tag", images.curl, tag);
  try {
    // Side by side, because `k3d image import` fails now and then when Docker is late.
    await Promise.all(tags.map((tag) => importImages(node, [tag])));
    const listed = (await run("docker", "exec", node, "ctr", "image", "ls")).trim().split("\n");
    assert.deepEqual(listed.sort(), tags);
    await assert.rejects(importImages(node, ["images-test.local/missing:1"]), /images-test\.local\/missing:1/);
    assert.equal(await imagesProblem(tags), undefined);
  } finally {
    await run("docker", "rmi", ...tags);
  }
});

test("a stop drains the node, and a start brings the same cluster back under its name", async () => {
  const before = await kubectl("get", "namespace/kube-system", "--output=jsonpath={.metadata.uid}");
  await run("k3d", "cluster", "stop", NAME);
  assert.match(await run("docker", "logs", `k3d-${NAME}-server-0`), new RegExp(`node/k3d-${NAME}-server-0 drained`));
  await run("k3d", "cluster", "start", NAME);
  await eventually(() => fromNetwork(`${API_SERVER}/version`));
  assert.equal(await kubectl("get", "namespace/kube-system", "--output=jsonpath={.metadata.uid}"), before);
  await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "statefulset/nginx-set", "--timeout=60s");
});

test("the stand-in refuses a flag that k3s does not know", async () => {
  const server = await run("docker", "run", "--rm", images.k3s, "server", "--no-such-flag").catch(
    (error: { stderr: string }) => error.stderr,
  );
  assert.match(server, /flag provided but not defined: -no-such-flag/);
});

test("the name and its certificate survive a restart of the engine", async () => {
  await engine.restart([`k3d-${NAME}-server-0`, `k3d-${NAME}-serverlb`]);
  await eventually(() => fromNetwork(`${API_SERVER}/version`));
  const { address } = await inspect(`k3d-${NAME}-server-0`);
  await eventually(async () => {
    const ip = await kubectl("get", "service/gateway", "--output=jsonpath={.status.loadBalancer.ingress[*].ip}");
    assert.equal(ip, address);
  });
});

test("deleting the cluster leaves no container and no volume", async () => {
  const volumes = (await inspect(`k3d-${NAME}-server-0`)).volumes;
  assert.ok(volumes.length > 1, "the node keeps its data in volumes of its own");
  await run("k3d", "cluster", "delete", NAME);
  assert.equal(await run("docker", "ps", "--all", "--quiet", "--filter", `label=k3d.cluster=${NAME}`), "");
  const left = (await run("docker", "volume", "ls", "--quiet")).split("\n");
  assert.deepEqual(
    volumes.filter((volume) => left.includes(volume)),
    [],
  );
  assert.equal(await run("docker", "network", "inspect", NETWORK, "--format", "{{len .Containers}}"), "0\n");
});

async function create(...args: string[]): Promise<void> {
  await run(
    ...(["k3d", "cluster", "create", NAME, "--image", images.k3s, "--network", NETWORK, "--timeout", TIMEOUT] as const),
    ...(["--kubeconfig-update-default=false", "--wait", ...args] as const),
  );
  await writeFile(join(directory, "kubeconfig"), await run("k3d", "kubeconfig", "get", NAME));
  const authority = (await clusterKubeconfig()).clusters[0]?.cluster["certificate-authority-data"] ?? "";
  await writeFile(join(directory, "ca.crt"), Buffer.from(authority, "base64"));
}

async function clusterKubeconfig(): Promise<Kubeconfig> {
  return parse(await run("k3d", "kubeconfig", "get", NAME)) as Kubeconfig;
}

/** curl from a container on the network, trusting the cluster's authority only. */
function fromNetwork(url: string, ...options: string[]): Promise<string> {
  const container = [
    "run",
    "--rm",
    "--network",
    NETWORK,
    "--volume",
    `${join(directory, "ca.crt")}:/ca.crt:ro`,
    images.curl,
  ];
  const curl = ["--silent", "--show-error", "--fail", "--max-time", "10", "--cacert", "/ca.crt", ...options, url];
  return run("docker", ...container, ...curl);
}

interface Inspected {
  State: { Running: boolean };
  Mounts: { Name?: string }[];
  NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
}

async function inspect(container: string): Promise<{ running: boolean; address: string; volumes: string[] }> {
  const [details] = JSON.parse(await run("docker", "inspect", container)) as [Inspected];
  return {
    running: details.State.Running,
    address: details.NetworkSettings.Networks[NETWORK]?.IPAddress ?? "",
    volumes: details.Mounts.flatMap(({ Name }) => (Name === undefined ? [] : [Name])),
  };
}

const kubectl = (...args: string[]): Promise<string> => run("kubectl", ...args);
