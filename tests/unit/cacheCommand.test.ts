/** `npm run cache`. */
import assert from "node:assert/strict";
import { after, describe, mock, test } from "node:test";
import { run as cacheCommand, sizeOf } from "../../cli/cache";
import { contentIn } from "../../imageCache/size";
import { UserError } from "../../lib/run";
import { fakeDocker, runningCache } from "../lib/fakeDocker";

const docker = fakeDocker();
after(() => docker.remove());

void describe("npm run cache", () => {
  for (const [words, message] of [
    [[], /missing required argument 'action'\. Next: npm run cache -- --help/],
    [["empty"], /action is "empty"; allowed: status, clear\. Next: npm run cache -- --help/],
    [["status", "dev"], /too many arguments/],
    [["clear", "--force"], /unknown option '--force'/],
  ] as const) {
    void test(`refuses ${JSON.stringify(words)}`, async () => {
      docker.answer({});
      await assert.rejects(cacheCommand([...words]), (error) => error instanceof UserError && message.test(error.message)); // prettier-ignore
      assert.deepEqual(docker.calls(), [], "docker was not asked");
    });
  }
  /** The command's exit code and what it prints. */
  async function printed(word: string): Promise<[number, string]> {
    const lines: string[] = [];
    const log = mock.method(console, "log", (line: string) => lines.push(line));
    try {
      return [await cacheCommand([word]), lines.join("\n")];
    } finally {
      log.mock.restore();
    }
  }
  const tag = "./docker.io/docker/registry/v2/repositories/library/nginx/_manifests/tags/1.29/current/link";
  const volume = { "volume ls": "echo x", "image ls": "echo x", "run --rm": `printf '2048\\tdocker.io\\n${tag}\\n'` };

  void test("shows a cache that was never started", async () => {
    docker.answer({});
    const [code, text] = await printed("status");
    assert.equal(code, 0);
    assert.match(text, /does not exist.*\nIt has 0 bytes: 0 tags in 0 repositories\nNetworks: none/);
    assert.ok(!docker.calls().some((call) => call.startsWith("run")));
  });
  void test("shows size, content, networks and a registry that does not answer", async () => {
    docker.answer({ ...runningCache(1, ["mesh"]), ...volume });
    const [code, text] = await printed("status");
    assert.equal(code, 1);
    assert.match(text, /does not answer: container linkerd-mesh-image-cache of image registry:3\.1\.2/);
    assert.match(text, /It has 2\.1 MB: 1 tags in 1 repositories\nNetworks: mesh/);
    assert.match(text, /- +docker\.io +http:\/\/linkerd-mesh-image-cache:5001 +2\.1 MB +1 +1/);
    assert.match(text, /Next: docker logs linkerd-mesh-image-cache$/);
  });
  for (const word of ["status", "clear"]) {
    void test(`${word} says what to do where the volume exists and the image of the container does not`, async () => {
      docker.answer({ "volume ls": "echo x", "run --rm": "exit 125" });
      const message =
        /^the image cache cannot be read: it has a volume linkerd-mesh-image-cache, but this machine lacks image registry:3\.1\.2, .*\. Next: docker pull registry:3\.1\.2, or export MESH_IMAGE_CACHE_IMAGE=/;
      await assert.rejects(printed(word), (error) => error instanceof UserError && message.test(error.message));
    });
  }
  void test("empties the volume, and says how much that freed", async () => {
    docker.answer(volume);
    const [code, text] = await printed("clear");
    assert.deepEqual([code, text], [0, "The image cache is empty. Freed: 2097152 bytes (2.1 MB)"]);
    const last = docker.calls().at(-1) ?? "";
    assert.match(last, /^run --rm .*--volume linkerd-mesh-image-cache:.* -exec rm -rf/);
  });
  void test("reads size and content of the volume", () => {
    const links = (name: string, ...ends: string[]) =>
      ends.map((end) => `./quay.io/docker/registry/v2/repositories/${name}/_manifests/${end}/link`);
    const lines = [
      "120\tquay.io",
      "8\tcertificates",
      ...links("coreos/etcd", "tags/v3/current", "tags/v3/index/sha256/1", "revisions/sha256/1", "revisions/sha256/2"),
      ...links("a", "revisions/sha256/3"),
    ];
    assert.deepEqual(contentIn(lines.join("\n")), [{ name: "quay.io", bytes: 122_880, repositories: 2, tags: 1 }]);
    assert.deepEqual(contentIn(""), []);
    assert.deepEqual([0, 999, 1000, 12_500_000].map(sizeOf), ["0 bytes", "999 bytes", "1.0 kB", "12.5 MB"]);
  });
});
