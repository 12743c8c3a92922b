/**
 * The whole graph on real k3d clusters and a real Docker engine, as stack `dev` in a home of its own. The tests run in
 * order, from nothing to nothing. Node images and charts are stand-ins: offline/ says what they leave unproved.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { buildImages, type Images } from "../../offline/k3d-images/build";
import { createHome, type Home, made, succeeded, TestStack } from "../lib/stack";
import { type Engine, startEngine } from "./engine";
import { eventually } from "../lib/eventually";
import { processes } from "../lib/processes";
import { run } from "./machine";

const clusters = ["east", "west"];
const network = "multicluster-example";
const imported = "mesh-test.local/imported:1";
/** The demo's host ports, which stack dev has too, and a published one. */
const ports = [6440, 6441, 26_443];
const certificate = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

let directory: string;
let engine: Engine;
let images: Images;
let home: Home;
let stack: TestStack;

before(async () => {
  // Not the default temporary directory: the engine's socket wants a short path.
  directory = await mkdtemp("/tmp/k3d-");
  engine = await startEngine(join(directory, "engine"));
  images = await buildImages({ dockerHost: engine.env.DOCKER_HOST });
  // For everything started from here on: docker, k3d, kubectl, pulumi.
  Object.assign(process.env, engine.env, {
    TMPDIR: directory, // k3d leaves a copy of each node's hosts file there
    K3D_IMAGE_LOADBALANCER: images.proxy,
    K3D_IMAGE_TOOLS: images.tools,
    HTTPS_PROXY: "http://me:pass@proxy.invalid:3128",
  });
  await writeFile(join(directory, "company.pem"), certificate);
  for (const cluster of clusters) {
    assert.equal(await containers(cluster), "", `cluster ${cluster} is this test's as well. Next: npm stop -- dev`);
  }
  await run("docker", "tag", images.curl, imported);
  home = createHome();
  stack = await TestStack.create(
    {
      "mesh:runtime": "k3d",
      // Simulated pods do not answer webhooks.
      "mesh:webhookFailurePolicy": "Ignore",
      "mesh:nodeImage": images.k3s,
      "mesh:images": [imported],
      "mesh:k3sArgs": ["--node-label=pool=demo"],
      "mesh:registryMirror": "https://registry.example.com/mirror",
      "mesh:caFile": join(directory, "company.pem"),
      "mesh:network": "flat",
      "mesh:ports": { west: ["26443:6443"] },
    },
    { name: "dev", home },
  );
});

after(async () => {
  try {
    await stack?.end();
    if (images !== undefined) await run("docker", "rmi", imported);
  } finally {
    await engine?.stop();
    home?.remove();
    await rm(directory, { recursive: true, force: true });
  }
});

test("a missing, stopped or forbidden Docker is reported in one sentence", async () => {
  const open = await mkdtemp("/tmp/docker-problem-");
  await chmod(open, 0o777);
  const question =
    'require("./components/clusters/lifecycle/k3d").dockerProblem().then((problem) => console.log(problem))';
  const dockerProblem = async (env: Record<string, string>): Promise<string> => {
    // As user nobody, because root may access everything.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const options = {
      ...user,
      cwd: join(__dirname, "../.."),
      env: { ...process.env, HOME: open, TMPDIR: open, TSX_DISABLE_CACHE: "1", ...env },
    };
    return (await promisify(execFile)(process.execPath, ["--import", "tsx", "-e", question], options)).stdout;
  };
  const socket = join(open, "forbidden.sock");
  const server = createServer().listen(socket);
  try {
    await chmod(socket, 0o000);
    const [missing, stopped, forbidden] = await Promise.all([
      dockerProblem({ PATH: open }),
      dockerProblem({ DOCKER_HOST: `unix://${open}/nobody.sock` }),
      dockerProblem({ DOCKER_HOST: `unix://${socket}` }),
    ]);
    assert.equal(missing, "runtime is k3d, but docker is not installed. Next: install Docker\n");
    assert.equal(stopped, "runtime is k3d, but no Docker engine answers. Next: start Docker, or docker context ls\n");
    assert.match(forbidden, /^runtime is k3d, but you may not use Docker's socket\. Next: .*\n$/);
  } finally {
    server.close();
    await rm(open, { recursive: true, force: true });
  }
});

test("a cluster and a network that are someone else's are refused by name, and left alone", async () => {
  await run("docker", "network", "create", network);
  const flags = ["--image", images.k3s, "--network", network, "--no-lb", "--timeout", "180s"];
  await run("k3d", "cluster", "create", "east", ...flags, "--kubeconfig-update-default=false");
  try {
    const before = await containers("east");
    const { ok, output } = await stack.up();
    assert.equal(ok, false);
    assert.match(
      output,
      /k3d cluster east belongs to someone else .* it is left alone\. Next: .*k3d cluster delete east/,
    );
    assert.match(output, /Docker network multicluster-example belongs to someone else .* it is left alone/);
    assert.deepEqual(made(await stack.export()), []);
    assert.equal(await containers("east"), before);
    assert.equal(await containers("west"), "");
  } finally {
    await run("k3d", "cluster", "delete", "east");
    await run("docker", "network", "rm", network);
  }
});

test("an image that the local Docker engine lacks is reported before anything is created", async () => {
  stack.configure({ "mesh:images": [imported, "mesh-test.local/missing:1"] });
  try {
    const { ok, output } = await stack.up();
    assert.equal(ok, false);
    assert.match(
      output,
      /images names mesh-test\.local\/missing:1, which the local Docker engine does not have\. Next: docker pull/,
    );
    for (const cluster of clusters) assert.equal(await containers(cluster), "");
  } finally {
    stack.configure({ "mesh:images": [imported] });
  }
});

test("up from nothing makes both clusters side by side, and the mesh on them", async () => {
  const preview = succeeded(await stack.preview());
  const { changes } = await stack.bringUp();
  const urns = (found: { type: string; urn: string }[]) => made(found).map(({ urn }) => urn).sort(); // prettier-ignore
  assert.deepEqual([...new Set(preview.changes.map(({ op }) => op))], ["create"]);
  assert.deepEqual(urns(preview.changes), urns(await stack.export()));
  const again = changes.filter(({ name }) => /-(claim|network)$/.test(name));
  assert.deepEqual(again, [], "what was claimed in the first update stays in the second");
  assert.deepEqual(stack.contexts().sort(), ["k3d-east", "k3d-west"]);
  for (const cluster of clusters) {
    const nodes = await kubectl(cluster, "get", "nodes", "--output=name");
    assert.equal(nodes, `node/k3d-${cluster}-server-0\n`);
    assert.match(await kubectl(cluster, "get", "link", "--all-namespaces", "--output=name"), /^link\.multicluster/);
  }
  const [servers, proxies] = await Promise.all([startTimes("server-0"), startTimes("serverlb")]);
  // k3d starts the proxy last, when the node is up.
  assert.ok(Math.max(...servers) < Math.min(...proxies), "each cluster was begun before the other was done");
});

test("the images' settings and the options for k3s reach every node", async () => {
  for (const cluster of clusters) {
    const label = await kubectl(cluster, "get", "nodes", "--output=jsonpath={.items[0].metadata.labels.pool}");
    assert.equal(label, "demo");
    const node = `k3d-${cluster}-server-0`;
    assert.equal(await run("docker", "inspect", node, "--format", "{{.Config.Image}}"), `${images.k3s}\n`);
    assert.equal(await run("docker", "exec", node, "ctr", "image", "ls"), `${imported}\n`);
    // https://docs.k3s.io/installation/private-registry
    const registries = parse(await run("docker", "exec", node, "cat", "/etc/rancher/k3s/registries.yaml")) as object;
    assert.deepEqual(registries, {
      mirrors: { "*": { endpoint: ["https://registry.example.com"], rewrite: { "^(.*)$": "mirror/$1" } } },
      configs: {},
      auths: {},
    });
  }
});

test("nodes get the proxy and the certificates, and a published port leads to them", async () => {
  for (const cluster of clusters) {
    const node = `k3d-${cluster}-server-0`;
    assert.equal(await run("docker", "exec", node, "cat", "/etc/ssl/certs/mesh-ca.pem"), certificate);
    const environment = await run("docker", "inspect", node, "--format", "{{json .Config.Env}}");
    const set = JSON.parse(environment) as string[];
    assert.ok(set.includes("HTTPS_PROXY=http://me:pass@proxy.invalid:3128"), environment);
    assert.ok(set.some((one) => one.startsWith("NO_PROXY=") && one.includes(node)));
  }
  assert.ok(!(await stack.exportText()).includes("me:pass"), "the proxy's password is in the state");
  const answer = await run("curl", "--silent", "--insecure", "--noproxy", "*", "https://127.0.0.1:26443/version");
  assert.equal((JSON.parse(answer) as { major: string }).major, "1");
});

test("with a flat network each cluster has its own ranges, and a DaemonSet knows the other's nodes by name", async () => {
  for (const [cluster, peer, pods, services] of [
    ["east", "west", "10.64.0.0/24", /^10\.64\.64\./],
    ["west", "east", "10.64.128.0/24", /^10\.64\.192\./],
  ] as const) {
    assert.equal(await kubectl(cluster, "get", "nodes", "--output=jsonpath={.items[0].spec.podCIDR}"), pods);
    assert.match(
      await kubectl(cluster, "get", "service", "kubernetes", "--output=jsonpath={.spec.clusterIP}"),
      services,
    );
    const routes = ["--namespace=kube-system", "get", "daemonset", "mesh-pod-routes"];
    const nodes = "--output=jsonpath={.spec.template.spec.containers[0].env[0].value}";
    assert.equal(await kubectl(cluster, ...routes, nodes), `k3d-${peer}-server-0`);
  }
});

test("a second up changes nothing", async () => {
  assert.deepEqual(succeeded(await stack.up()).changes, []);
});

test("a link's kubeconfig reaches the other API server by name, and may do what the mirror does", async () => {
  assert.deepEqual(await asLink("services", "secrets"), { services: 200, secrets: 403 });
});

test("a command that needs a stopped cluster starts it and says so, and its links work again", async () => {
  await run("k3d", "cluster", "stop", "west");
  const { output, changes } = succeeded(await stack.preview());
  assert.match(output, /k3d cluster west, which this stack made, was stopped: it is started again/);
  assert.deepEqual(changes, []);
  await eventually(async () => assert.deepEqual(await asLink("services", "secrets"), { services: 200, secrets: 403 }));
});

test("after a restart of Docker heal waits until the mesh is up, and verify passes without another up", async () => {
  await engine.restart(clusters.flatMap((cluster) => [`k3d-${cluster}-server-0`, `k3d-${cluster}-serverlb`]));
  // A dry run, and that it finds damage is right: nothing here injects proxies or mirrors services.
  const { output } = await stack.script("heal", stack.name, "--dry-run");
  assert.match(output, /^Would do:$/m);
  assert.deepEqual(await asLink("services", "secrets"), { services: 200, secrets: 403 });
  const answered = [
    "control-plane",
    "injector",
    "issuer",
    "anchors-equal",
    "gateway",
    "controller",
    "link",
    "credentials",
  ];
  const only = answered.map((check) => `health.${check}`).join();
  succeeded(await stack.script("verify", stack.name, "--only", only));
  assert.deepEqual(succeeded(await stack.preview()).changes, []);
});

test("a cluster deleted by hand is reported, and can be removed from the stack", async () => {
  await run("k3d", "cluster", "delete", "west");
  const { ok, output } = await stack.preview();
  assert.equal(ok, false);
  assert.match(output, /k3d cluster west, which this stack made, is gone\. Next: npm run rebuild -- dev west/);
  // As npm run rebuild does it.
  const target = "**Cluster$command:local:Command::mesh-west-claim";
  succeeded(await stack.destroy("--target", target, "--target-dependents"));
  assert.deepEqual(stack.contexts(), ["k3d-east"]);
  assert.equal(await kubectl("east", "get", "link", "--all-namespaces", "--output=name"), "", "no link leads nowhere");
});

test("the leftovers of an interrupted up are cleared, and the whole mesh comes up again", async () => {
  const interrupted = stack.up();
  await eventually(async () => assert.match(await containers("west"), /k3d-west-server-0/));
  const programs = (await processes()).filter(
    ({ command, environment }) =>
      environment.includes(`HOME=${home.directory}`) &&
      /lifecycle\/k3d\.ts create$|k3d cluster create west/.test(command.trim()),
  );
  assert.ok(programs.length >= 2, "the program and its k3d are running");
  for (const { pid } of programs) process.kill(pid, "SIGKILL");
  assert.equal((await interrupted).ok, false);
  assert.match(await containers("west"), /k3d-west-server-0/);
  assert.deepEqual(stack.contexts(), ["k3d-east"]);

  succeeded(await stack.up());
  assert.deepEqual(stack.contexts().sort(), ["k3d-east", "k3d-west"]);
  assert.deepEqual(await asLink("services", "secrets"), { services: 200, secrets: 403 });
  assert.deepEqual(succeeded(await stack.preview()).changes, []);
});

test("destroy leaves no container, volume, network, context or file", async () => {
  const volumes = (await Promise.all(clusters.map(volumesOf))).flat();
  assert.ok(volumes.length > 2, "nodes keep their data in volumes of their own");
  succeeded(await stack.destroy());
  for (const cluster of clusters) assert.equal(await containers(cluster), "");
  const left = (await run("docker", "volume", "ls", "--format", "{{.Name}}")).split("\n");
  assert.deepEqual(left.filter((volume) => volumes.includes(volume)), []); // prettier-ignore
  const networks = await run("docker", "network", "ls", "--format", "{{.Name}}");
  assert.equal(networks.split("\n").includes(network), false);
  assert.deepEqual(await stack.leftovers(ports), []);
  assert.deepEqual(await readdir(join(home.directory, ".local/share/linkerd-multicluster-mesh")), []);
});

/** Names of a cluster's containers, one per line, whoever made them, running or not. */
function containers(cluster: string): Promise<string> {
  return run("docker", "ps", "--all", "--filter", `label=k3d.cluster=${cluster}`, "--format", "{{.Names}}");
}

/** When that container of each cluster was started, in milliseconds. */
function startTimes(role: string): Promise<number[]> {
  return Promise.all(
    clusters.map(async (cluster) =>
      Date.parse((await run("docker", "inspect", `k3d-${cluster}-${role}`, "--format", "{{.State.StartedAt}}")).trim()),
    ),
  );
}

async function volumesOf(cluster: string): Promise<string[]> {
  const names = (await containers(cluster)).split("\n").filter(Boolean);
  const format = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}';
  return (await run("docker", "inspect", ...names, "--format", format)).split(/\s+/).filter(Boolean);
}

function kubectl(cluster: string, ...args: string[]): Promise<string> {
  const kubeconfig = join(home.directory, ".kube/config");
  return run("kubectl", "--kubeconfig", kubeconfig, "--context", `k3d-${cluster}`, "--request-timeout=10s", ...args);
}

/** The parts of a kubeconfig that curl needs. */
interface LinkKubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data": string } }[];
  users: { user: { token: string } }[];
}

/**
 * Lists resources of west from a container on the clusters' network, with nothing but what the link's Secret in east
 * holds: a server, the only authority to trust, and a token.
 *
 * @returns the API server's HTTP status for each
 */
async function asLink(...resources: string[]): Promise<Record<string, number>> {
  const secret = ["--namespace=linkerd-multicluster", "get", "secret", "cluster-credentials-west"];
  const encoded = await kubectl("east", ...secret, "--output=jsonpath={.data.kubeconfig}");
  const { clusters: targets, users } = JSON.parse(Buffer.from(encoded, "base64").toString()) as LinkKubeconfig;
  const [target, user] = [targets[0]?.cluster, users[0]?.user];
  assert.equal(target?.server, "https://k3d-west-serverlb:6443");
  const authority = join(directory, "west.crt");
  await writeFile(authority, Buffer.from(target["certificate-authority-data"], "base64"));
  const statuses = resources.map(async (resource): Promise<[string, number]> => {
    const container = ["--rm", "--network", network, "--volume", `${authority}:/ca.crt:ro`, images.curl];
    const curl = ["--silent", "--show-error", "--max-time", "10", "--cacert", "/ca.crt"];
    const answer = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    const token = ["--header", `Authorization: Bearer ${user?.token}`];
    const url = `${target.server}/api/v1/${resource}`;
    return [resource, Number(await run("docker", "run", ...container, ...curl, ...answer, ...token, url))];
  });
  return Object.fromEntries(await Promise.all(statuses));
}
