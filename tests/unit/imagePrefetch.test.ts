/** The images of the graph, which are requested at the cache before nodes pull them. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as path from "node:path";
import { after, describe, test } from "node:test";
import { fillImageCache } from "../../components/clusters/fillImageCache";
import { registriesFile, registriesYaml } from "../../components/clusters/lifecycle/registries";
import { makePlan } from "../../config/plan";
import { checkSettings, type RawSettings } from "../../config/settings";
import { imagesIn, readImage } from "../../imageCache/images";
import { prefetch } from "../../imageCache/prefetch";
import { portFor } from "../../imageCache/upstreams";
import { root } from "../../lib/paths";
import { fakeDocker, runningCache } from "../lib/fakeDocker";

const docker = fakeDocker();
after(() => docker.remove());

/** A registry that has what the paths name, and counts the requests. */
async function registry(contents: Record<string, object | string>) {
  const asked: string[] = [];
  const server = http.createServer(({ url = "" }, response) => {
    asked.push(url);
    const found = url === "/v2/" ? {} : contents[url];
    if (found === undefined) return void response.writeHead(404).end();
    response.end(typeof found === "string" ? found : JSON.stringify(found));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { asked, port: (server.address() as AddressInfo).port, stop };
}

void describe("the images of the graph", () => {
  for (const [image, host, repository, reference] of [
    ["nginx:1.29", "docker.io", "library/nginx", "1.29"],
    ["curlimages/curl", "docker.io", "curlimages/curl", "latest"],
    ["index.docker.io/library/nginx", "docker.io", "library/nginx", "latest"],
    ["cr.l5d.io/linkerd/proxy:edge-26.8.3", "cr.l5d.io", "linkerd/proxy", "edge-26.8.3"],
    ["localhost:5000/shop", "localhost:5000", "shop", "latest"],
    [`quay.io/a/b:1@sha256:${"0".repeat(64)}`, "quay.io", "a/b", `sha256:${"0".repeat(64)}`],
  ] as const) {
    void test(`are read: ${image.slice(0, 40)}`, () => {
      assert.deepEqual(readImage(image), { host, repository, reference });
    });
  }
  void test("are found in the manifests of the demo, each once", () => {
    const { manifests } = checkSettings({}, root);
    assert.deepEqual(imagesIn(Object.values(manifests).flat()).sort(), ["curlimages/curl:8.17.0", "nginx:1.29"]);
  });
  void test("are found in rendered objects of every kind, and in nothing that only looks like one", () => {
    const pod = (image: string) => ({
      spec: { initContainers: [{ image: `${image}-init` }], containers: [{ image }] },
    });
    const objects = [
      { kind: "Pod", ...pod("a") },
      { kind: "CronJob", spec: { jobTemplate: { spec: { template: pod("b") } } } },
      { kind: "List", items: [{ kind: "Deployment", spec: { template: pod("c") } }] },
      { kind: "CustomResourceDefinition", spec: { properties: { containers: { type: "array" }, image: "x" } } },
      { kind: "ConfigMap", data: { image: "y" } },
      { kind: "Pod", spec: { containers: [{ name: "no image" }, { image: "" }] } },
    ];
    assert.deepEqual(imagesIn(objects), ["a-init", "a", "b-init", "b", "c-init", "c"]);
  });
  void test("are requested at the cache whole, for this machine's platform only", async () => {
    const v2 = "/v2/library/nginx";
    const platform = (architecture: string) => ({ digest: architecture, platform: { os: "linux", architecture } });
    const server = await registry({
      [`${v2}/manifests/1.29`]: { manifests: [platform("arm64"), platform("amd64")] },
      [`${v2}/manifests/amd64`]: { config: { digest: "config" }, layers: [{ digest: "one" }, { digest: "two" }] },
      ...Object.fromEntries(["config", "one", "two"].map((blob) => [`${v2}/blobs/${blob}`, blob.repeat(100_000)])),
    });
    docker.answer({ ...runningCache(server.port, []), version: "echo amd64" });
    const images = ["nginx:1.29", "ghcr.io/not/there:1", "registry.example.com/private:1"];
    assert.deepEqual(await prefetch(images, AbortSignal.timeout(10_000)), ["nginx:1.29"]);
    const expected = ["manifests/1.29", "manifests/amd64", "blobs/config", "blobs/one", "blobs/two"];
    assert.deepEqual(
      server.asked.filter((url) => url.startsWith(v2)),
      expected.map((what) => `${v2}/${what}`),
    );
    assert.ok(!server.asked.some((url) => url.includes("private")), "its registry is not cached");
    server.stop();
  });
  void test("of other registries have no port", () => {
    assert.equal(portFor("registry.example.com"), undefined);
  });
});

void describe("an update", () => {
  const planned = (raw: RawSettings) => {
    const settings = checkSettings(raw, root);
    return { settings, plan: makePlan("alice", settings) };
  };
  const isAsked = () => docker.calls().some((call) => call.startsWith("container"));
  const running = { "ps --all": "echo server running" };

  for (const [name, raw] of [
    ["on kwok", { runtime: "kwok" }],
    ["without the cache", { imageCache: false }],
    ["with a registry mirror", { registryMirror: "https://registry.example.com" }],
  ] as const) {
    void test(`${name} leaves the cache alone`, async () => {
      docker.answer({});
      await fillImageCache(planned(raw), () => ["nginx:1.29"]);
      assert.deepEqual(docker.calls(), []);
    });
  }
  void test("requests the images of new clusters", async () => {
    const server = await registry({});
    docker.answer(runningCache(server.port, []));
    await fillImageCache(planned({}), () => ["nginx:1.29"]);
    assert.ok(server.asked.includes("/v2/library/nginx/manifests/1.29"), server.asked.join(" "));
    server.stop();
  });
  void test("requests nothing for existing clusters, and starts the cache only for those made with it", async () => {
    const server = await registry({});
    docker.answer({ ...running, ...runningCache(server.port, []) });
    await fillImageCache(planned({}), () => ["nginx:1.29"]);
    assert.ok(!isAsked(), "an older version made them");
    const file = registriesFile("alice-east");
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, registriesYaml({}));
    await fillImageCache(planned({}), () => ["nginx:1.29"]);
    assert.ok(isAsked());
    // Whoever removes the container by hand loses its networks.
    const connected = "network connect alice-multicluster-example linkerd-mesh-image-cache";
    assert.ok(docker.calls().includes(connected), docker.calls().join("\n"));
    assert.ok(!server.asked.some((url) => url.includes("nginx")));
    server.stop();
  });
});
