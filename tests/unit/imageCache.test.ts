/** The image cache: what nodes and the image cache are told, and when it is started and connected. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { parse } from "yaml";
import { k3dSpec } from "../../components/clusters/k3d";
import { registriesYaml } from "../../components/clusters/lifecycle/registries";
import { leaveNetwork, startCache } from "../../imageCache/container";
import { registryConfiguration, serverScript } from "../../imageCache/server";
import { upstreams } from "../../imageCache/upstreams";
import { fakeDocker, runningCache } from "../lib/fakeDocker";

const docker = fakeDocker();
after(() => docker.remove());

void describe("the nodes of a cluster", () => {
  const mirrorsOf = (spec: object) => (parse(registriesYaml(spec)) as { mirrors?: Record<string, unknown> }).mirrors;

  void test("pull through the cache by default, and each registry has its own port", () => {
    const mirrors = mirrorsOf({}) ?? {};
    assert.deepEqual(mirrors["docker.io"], { endpoint: ["http://linkerd-mesh-image-cache:5001"] });
    assert.deepEqual(mirrors["ghcr.io"], { endpoint: ["http://linkerd-mesh-image-cache:5002"] });
    assert.deepEqual(mirrors["cr.l5d.io"], mirrors["ghcr.io"], "it redirects there");
    assert.equal(mirrors["*"], undefined, "k3s has no fallback for it");
    assert.equal(Object.keys(mirrors).length, upstreams.flatMap(({ hosts }) => hosts).length);
  });
  void test("pull directly without the cache, and through a registry mirror if there is one", () => {
    assert.equal(mirrorsOf({ imageCache: false }), undefined);
    assert.deepEqual(mirrorsOf({ registryMirror: "https://registry.example.com/mirror/" }), {
      "*": { endpoint: ["https://registry.example.com"], rewrite: { "^(.*)$": "mirror/$1" } },
    });
  });
  void test("keep their spec unless the cache is switched off, so an update replaces no cluster", () => {
    const specOf = (more: object) => JSON.stringify(k3dSpec("east", { apiPort: 6440, ...more }));
    assert.equal(specOf({ imageCache: true }), specOf({}));
    assert.ok(!specOf({}).includes("imageCache"));
    assert.match(specOf({ imageCache: false }), /"imageCache":false/);
    const mirror = { registryMirror: "https://registry.example.com" };
    assert.equal(specOf({ ...mirror, imageCache: false }), specOf(mirror), "it is not used with a mirror anyway");
  });
});

void describe("the cache's container", () => {
  void test("runs a registry per upstream, without credentials", () => {
    const [dockerHub] = upstreams;
    assert.ok(dockerHub);
    assert.deepEqual(registryConfiguration(dockerHub, 5001), {
      version: "0.1",
      log: { level: "warn", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: "/var/lib/registry/docker.io" } },
      http: { addr: ":5001" },
      proxy: { remoteurl: "https://registry-1.docker.io", ttl: "0s", exec: { command: "/tmp/anonymous" } },
    });
    const script = serverScript(upstreams);
    execFileSync("sh", ["-n", "-c", script]);
    for (const { url } of upstreams) assert.ok(script.includes(`"remoteurl":"${url}"`), url);
    assert.doesNotMatch(script, /username|password/);
  });
  void test("is connected to a cluster's network once, and to no other", async () => {
    const server = http.createServer((_, response) => response.end()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    docker.answer(runningCache(port, ["mesh"]));
    assert.equal(await startCache({ network: "mesh" }), undefined);
    assert.ok(!docker.calls().some((call) => call.startsWith("network connect")), docker.calls().join("\n"));
    assert.equal(await startCache({ network: "other" }), undefined);
    assert.ok(docker.calls().includes("network connect other linkerd-mesh-image-cache"));
    assert.ok(!docker.calls().some((call) => /^(run|image pull)/.test(call)), "it runs already");
    server.close();
    server.closeAllConnections();
  });
  void test("leaves a network that it alone is connected to", async () => {
    const inspect = (names: string) => ({ ...runningCache(1, ["mesh"]), "network inspect": `echo '${names}'` });
    const isLeft = () => docker.calls().some((call) => call.startsWith("network disconnect"));
    docker.answer(inspect("linkerd-mesh-image-cache "));
    await leaveNetwork("other");
    assert.ok(!isLeft());
    docker.answer(inspect("linkerd-mesh-image-cache k3d-west-server-0 "));
    await leaveNetwork("mesh");
    assert.ok(!isLeft(), "another cluster pulls through it");
    docker.answer(inspect("linkerd-mesh-image-cache "));
    await leaveNetwork("mesh");
    assert.ok(docker.calls().includes("network disconnect --force mesh linkerd-mesh-image-cache"));
  });
  for (const [name, answers, expected] of [
    [
      "its image cannot be pulled",
      { "image pull": "echo 'no such host' >&2; exit 1" },
      /its image registry:3\.1\.2 cannot be pulled \(.*no such host\)\. Next: docker pull registry:3\.1\.2, or export/,
    ],
    [
      "another program has its name",
      runningCache(1, [], {}),
      /container linkerd-mesh-image-cache is another program's\. Next: docker rm/,
    ],
  ] as const) {
    void test(`says why it is not used: ${name}`, async () => {
      docker.answer(answers);
      const problem = await startCache({ network: "mesh" });
      assert.match(problem ?? "", /^images are pulled without the image cache: /);
      assert.match(problem ?? "", expected);
      assert.ok(!docker.calls().some((call) => /^(run|container rm)/.test(call)));
    });
  }
});
