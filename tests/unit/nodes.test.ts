/** What k3d's nodes get: their number, ports, proxies and certificates. And downloads through a proxy. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { k3dSpec } from "../../components/clusters/k3d";
import { sourceOf } from "../../components/meshArgs";
import { inotifyProblem } from "../../components/clusters/lifecycle/inotify";
import { proxyFlags, proxyProblem } from "../../components/clusters/lifecycle/proxy";
import { type K3dSpec, nodesOf } from "../../components/clusters/lifecycle/spec";
import { makePlan } from "../../config/plan";
import { checkSettings, type RawSettings } from "../../config/settings";
import { request } from "../../lib/http";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "nodes-test-"));
after(() => fs.rmSync(root, { recursive: true }));
fs.mkdirSync(path.join(root, "manifests"));

function specs(raw: RawSettings): K3dSpec[] {
  const settings = checkSettings({ portBase: 7000, ...raw }, root);
  const plan = makePlan("alice", settings);
  return plan.clusters.map((cluster) => {
    const { k3d } = sourceOf(cluster, { plan, settings, owner: "alice" });
    assert.ok(k3d);
    return k3dSpec(cluster.name, { ...k3d, domain: cluster.domain, dockerNetwork: plan.network });
  });
}

test("a cluster without these settings has the spec of earlier versions, so an update does not replace it", () => {
  assert.equal(
    JSON.stringify(specs({})[0]),
    '{"name":"alice-east","context":"k3d-alice-east","ports":[7000],"domain":"east.cluster.local",' +
      '"network":"alice-multicluster-example","images":[]}',
  );
});

test("nodes, ports and certificates change only their own cluster", () => {
  fs.writeFileSync(path.join(root, "ca.pem"), "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n");
  const [east, west] = specs({ servers: { east: 3 }, agents: { east: 1 }, ports: { east: ["8080:80", "8443:443"] } });
  assert.deepEqual(west, specs({})[1]);
  assert.deepEqual([east?.servers, east?.agents, east?.published], [3, 1, ["8080:80", "8443:443"]]);
  assert.deepEqual(east?.ports, [7000, 8080, 8443], "the claim waits for all of them");
  assert.deepEqual(nodesOf({ name: "alice-east", servers: 3, agents: 1 }), [
    "k3d-alice-east-server-0",
    "k3d-alice-east-server-1",
    "k3d-alice-east-server-2",
    "k3d-alice-east-agent-0",
  ]);
  assert.match(specs({ caFile: path.join(root, "ca.pem") })[0]?.caFile?.sha256 ?? "", /^[0-9a-f]{64}$/);
});

test("a port of this machine leads to one place", () => {
  const problems = (raw: RawSettings) => {
    try {
      specs(raw);
      return [];
    } catch (error) {
      return (error as { problems: string[] }).problems;
    }
  };
  assert.deepEqual(problems({ ports: { east: ["8080:80"], west: ["8080:80"] } }), [
    'ports.west[0] is "8080:80"; allowed: a port that nothing else uses (cluster east does). ' +
      "Next: pulumi config set --path 'ports.west[0]' <value>",
  ]);
  assert.match(problems({ ports: { east: ["7001:80"] } })[0] ?? "", /^ports\.east\[0\] .*\(cluster west does\)/);
  assert.deepEqual(problems({ ports: { east: ["8080:80"], west: ["8081:80"] } }), []);
});

test("inotify limits that are too low for all nodes are reported with the sysctl", async () => {
  const limits = (instances: number, watches: number) => {
    const directory = fs.mkdtempSync(path.join(root, "inotify-"));
    fs.writeFileSync(path.join(directory, "max_user_instances"), `${instances}\n`);
    fs.writeFileSync(path.join(directory, "max_user_watches"), `${watches}\n`);
    return directory;
  };
  const two = { server: 2, agent: 0 };
  assert.equal(await inotifyProblem(two, limits(128, 8192)), undefined);
  assert.equal(
    await inotifyProblem({ server: 5, agent: 1 }, limits(128, 8192)),
    "5 servers and 1 agents of k3d need fs.inotify.max_user_instances of 136, but it is 128. " +
      "Next: sudo sysctl fs.inotify.max_user_instances=512, or use fewer clusters",
  );
  assert.match((await inotifyProblem(two, limits(128, 500))) ?? "", /max_user_watches of 550, but it is 500/);
  assert.equal(await inotifyProblem(two, path.join(root, "none")), undefined);
});

const east = { name: "alice-east", domain: "east.cluster.local", agents: 1 };

test("nodes get this machine's proxy, and reach each other without it", () => {
  assert.deepEqual(proxyFlags(east, {}), []);
  const flags = proxyFlags(east, { HTTPS_PROXY: "http://me:pass@proxy:3128", no_proxy: "example.com" });
  assert.deepEqual(flags, [
    "--env",
    "HTTPS_PROXY=http://me:pass\\@proxy:3128@server:*;agent:*",
    "--env",
    "NO_PROXY=example.com,localhost,127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,.svc,k3d-alice-east-server-0," +
      "k3d-alice-east-agent-0,k3d-alice-east-serverlb,.east.cluster.local,host.k3d.internal,linkerd-mesh-image-cache@server:*;agent:*",
  ]);
});

test("a proxy on the loopback address is not used in the nodes, and the user is told", () => {
  const env = { http_proxy: "http://127.0.0.1:3128" };
  assert.deepEqual(proxyFlags(east, env), []);
  assert.match(
    proxyProblem(env) ?? "",
    /the proxy of HTTP_PROXY, .*Next: .*HTTP_PROXY=http:\/\/host\.k3d\.internal:3128/,
  );
  assert.equal(proxyProblem({ HTTPS_PROXY: "http://proxy:3128" }), undefined);
});

test("downloads go through the proxy, and around it where NO_PROXY says so", async () => {
  const server = http.createServer((_, response) => response.end("direct"));
  const seen: string[] = [];
  const proxy = http.createServer();
  proxy.on("connect", ({ url = "" }: http.IncomingMessage, socket: net.Socket) => {
    seen.push(url);
    const to = net.connect((server.address() as AddressInfo).port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      to.pipe(socket).pipe(to);
    });
  });
  const port = async (one: http.Server) => {
    await new Promise<void>((listening) => one.listen(0, "127.0.0.1", listening));
    return (one.address() as AddressInfo).port;
  };
  const [direct, through] = [await port(server), await port(proxy)];
  const before = { ...process.env };
  Object.assign(process.env, { HTTP_PROXY: `http://127.0.0.1:${through}`, NO_PROXY: "127.0.0.1" });
  try {
    assert.equal(await (await request("http://charts.invalid/index.yaml")).text(), "direct");
    assert.deepEqual(seen, ["charts.invalid:80"]);
    assert.equal(await (await request(`http://127.0.0.1:${direct}/`)).text(), "direct");
    assert.equal(seen.length, 1);
  } finally {
    for (const name of ["HTTP_PROXY", "NO_PROXY"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    for (const one of [server, proxy]) {
      one.closeAllConnections();
      one.close();
    }
  }
});
