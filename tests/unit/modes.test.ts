/** Flat networks and the three ways to export a service: ranges, what is planned, and what is refused. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { k3dSpec } from "../../components/clusters/k3d";
import { sourceOf } from "../../components/meshArgs";
import { rangeClash, routesOf } from "../../components/clusters/lifecycle/hostNetworks";
import type { Manifest } from "../../config/manifests";
import { makePlan } from "../../config/plan";
import { clustersIn, rangeProblem, rangesAt } from "../../config/ranges";
import { slotsOf } from "../../config/slots";
import { overlapOf, rangesOf } from "../../lib/addressRanges";
import { checkSettings, type RawSettings, RefusedError } from "../../config/settings";
import { followed } from "../../verify/remoteDiscovery";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "modes-test-"));
after(() => fs.rmSync(root, { recursive: true }));
fs.mkdirSync(path.join(root, "manifests"));

const plan = (raw: RawSettings, manifests: Record<string, Manifest[]> = {}) => {
  const settings = checkSettings({ network: "flat", ...raw }, root);
  return makePlan("dev", { ...settings, manifests: { ...settings.manifests, ...manifests } });
};

function problems(raw: RawSettings, manifests: Record<string, Manifest[]> = {}): string[] {
  try {
    plan(raw, manifests);
    return [];
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    return error.problems;
  }
}

const service = (name: string, labels: Record<string, string>, spec: object = { ports: [{ port: 80 }] }): Manifest => {
  return { apiVersion: "v1", kind: "Service", metadata: { name, labels }, spec };
};
const flat = { "mirror.linkerd.io/exported": "remote-discovery" };
const member = { "mirror.linkerd.io/federated": "member" };

test("clusters get ranges that never overlap, from any allowed range", () => {
  const from = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 9, max: 17 }));
  fc.assert(
    fc.property(from, ([second, bits]) => {
      const size = 2 ** (16 - Math.min(bits, 16));
      const range = `10.${Math.floor(second / size) * size}.0.0/${bits}`;
      fc.pre(rangeProblem(range) === undefined);
      const count = Math.min(clustersIn(range), 12);
      const all = rangesOf(
        Array.from({ length: count }, (_, i) => Object.values(rangesAt(range, i)) as string[]).flat(),
      );
      for (const [i, one] of all.entries()) {
        assert.ok(overlapOf(rangesOf([range]), [one]), `${one.text} is outside ${range}`);
        assert.equal(overlapOf([one], all.slice(i + 1)), undefined);
      }
    }),
  );
});

const never = () => false;

test("clusters that were made keep their places, and a new one takes none of theirs", () => {
  const clusters = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f"), { minLength: 1 });
  fc.assert(
    fc.property(clusters, clusters, (before, after) => {
      const [old, now] = [slotsOf(before, {}, never), slotsOf(after, slotsOf(before, {}, never), never)];
      assert.equal(new Set(Object.values(now)).size, after.length);
      for (const [name, slot] of Object.entries(now)) {
        if (name in old) assert.equal(slot, old[name]);
        else assert.ok(!Object.values(old).includes(slot));
      }
    }),
  );
  assert.deepEqual({ ...slotsOf(["b", "c"], { a: 0, b: 1 }, never) }, { b: 1, c: 2 });
});

test("ports and ranges of a cluster stay when one before it is removed", () => {
  const ports = { "k3d-east": [6440], "k3d-north": [6441], "k3d-west": [6442] };
  const slots = { "k3d-east": 0, "k3d-north": 1, "k3d-west": 2 };
  const settings = checkSettings({ network: "flat" }, root);
  // Older states have the ports only.
  for (const made of [{ ports }, { ports, slots }]) {
    const [east, west] = makePlan("dev", settings, made).clusters;
    assert.deepEqual([east?.ports, east?.ranges?.pods], [[6440], rangesAt("10.64.0.0/12", 0).pods]);
    assert.deepEqual([west?.ports, west?.ranges?.pods], [[6442], rangesAt("10.64.0.0/12", 2).pods]);
  }
});

test("another portBase moves the ports, and leaves the ranges", () => {
  const made = { ports: { "k3d-east": [6440], "k3d-west": [6441] }, slots: { "k3d-east": 0, "k3d-west": 1 } };
  for (const portBase of [6340, 6438, 6441, 7000]) {
    const { clusters } = makePlan("dev", { ...checkSettings({ network: "flat" }, root), portBase }, made);
    assert.deepEqual(
      clusters.map(({ ports, ranges }) => [ports[0], ranges?.pods]),
      [0, 1].map((slot) => [portBase + slot, rangesAt("10.64.0.0/12", slot).pods]),
    );
  }
});

test("clusters of another runtime keep their ports until they are removed", () => {
  const made = { ports: { "kwok-east": [6440, 6441, 6442, 6443, 6444, 6445] }, slots: { "kwok-east": 0 } };
  const { clusters } = makePlan("dev", checkSettings({}, root), made);
  assert.deepEqual(
    clusters.map(({ ports }) => ports),
    [[6446], [6447]],
  );
});

test("a range that is too small for a new cluster beside a removed one is refused", () => {
  const settings = checkSettings({ network: "flat", flatRange: "10.64.0.0/16" }, root);
  const made = { ports: { "k3d-east": [6440], "k3d-north": [6441] } };
  assert.throws(() => makePlan("dev", settings, made), /a range for 3 clusters \(this one is enough for 2;/);
});

test("a range that a network of this machine uses is refused", () => {
  const networks = [{ what: "Docker network bridge", ranges: rangesOf(["10.80.0.0/16", "fd00::/64"]) }];
  assert.equal(rangeClash("10.64.0.0/12", ["10.64.0.0/18"], networks), undefined);
  assert.match(
    rangeClash("10.80.0.0/12", ["10.80.64.0/18"], networks) ?? "",
    /^flatRange is "10\.80\.0\.0\/12", .* take 10\.80\.64\.0\/18; allowed: .*Docker network bridge has 10\.80\.0\.0\/16/,
  );
});

test("routes are read from Linux's table, without the default route", () => {
  const table = `Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0102000A 0003 0 0 0 00000000 0 0 0
tun0 0000420A 00000000 0001 0 0 0 0000FFFF 0 0 0
eth0 0002A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
`;
  assert.deepEqual(routesOf(table), ["10.66.0.0/16", "192.168.2.0/24"]);
});

test("the first ranges of the default are these", () => {
  assert.deepEqual(rangesAt("10.64.0.0/12", 0), { pods: "10.64.0.0/18", services: "10.64.64.0/18" });
  assert.deepEqual(rangesAt("10.64.0.0/12", 1), { pods: "10.64.128.0/18", services: "10.64.192.0/18" });
  assert.equal(clustersIn("10.64.0.0/12"), 32);
});

for (const range of [
  "10.64.0.0",
  "10.64.0.0/18",
  "10.64.1.0/12",
  "10.300.0.0/12",
  "8.8.0.0/16",
  "172.16.0.0/12",
  "fd00::/8",
  "x/12",
]) {
  test(`refused as flatRange: ${range}`, () => {
    assert.match(problems({ flatRange: range })[0] ?? "", /^flatRange is .*allowed: a range of 10\.0\.0\.0/);
  });
}

test("a range for fewer clusters than there are is refused, and one that nothing uses", () => {
  assert.match(problems({ flatRange: "10.64.0.0/17" })[0] ?? "", /a range for 2 clusters \(this one is enough for 1;/);
  const unused = problems({ network: "gateway", flatRange: "10.96.0.0/12" });
  assert.match(
    unused[0] ?? "",
    /^flatRange is .*allowed: with network flat only\. Next: pulumi config set network flat$/,
  );
});

test("options of k3s that network flat sets are refused, and allowed without it", () => {
  const raw = { k3sArgs: ["--cluster-cidr=10.1.0.0/16"] };
  assert.match(problems(raw)[0] ?? "", /^k3sArgs\[0\] is .*which network flat sets/);
  assert.deepEqual(problems({ ...raw, network: "gateway" }), []);
});

test("only k3d with a flat network gives clusters ranges, and only they change a cluster's spec", () => {
  const spec = (raw: RawSettings) => {
    const settings = checkSettings(raw, root);
    const plan = makePlan("dev", settings);
    return plan.clusters.map((cluster) => {
      const { k3d } = sourceOf(cluster, { plan, settings, owner: "me" });
      assert.ok(k3d);
      return k3dSpec(cluster.name, { ...k3d, domain: cluster.domain, dockerNetwork: "n" });
    });
  };
  const [plain, ranged] = [spec({}), spec({ network: "flat" })];
  assert.deepEqual(
    ranged.map(({ ranges, ...rest }) => rest && ranges?.pods),
    ["10.64.0.0/18", "10.64.128.0/18"],
  );
  assert.deepEqual(ranged.map(({ ranges, ...rest }) => ranges && rest), plain); // prettier-ignore
  assert.equal(plan({ runtime: "kwok" }).clusters[0]?.ranges, undefined);
});

test("all three modes may be mixed, and the plan announces their names", () => {
  const { mirrors } = plan(
    {},
    { west: [service("a", flat), service("b", { "mirror.linkerd.io/exported": "true" }), service("c", member)] },
  );
  assert.deepEqual(mirrors["east->west"], ["a-west", "b-west", "c-federated"]);
});

for (const labels of [flat, member]) {
  test(`a gateway network refuses ${Object.values(labels)[0]}`, () => {
    const [problem = ""] = problems({ network: "gateway" }, { west: [service("a", labels)] });
    assert.match(problem, /needs pods that reach each other; allowed: only with network flat\. Next: .*network flat$/);
  });
}

test("the pods of a StatefulSet have no names of their own in flat mode", () => {
  const set = { apiVersion: "apps/v1", kind: "StatefulSet", metadata: { name: "p" }, spec: { serviceName: "s" } };
  const headless = service("s", flat, { clusterIP: "None", ports: [{ port: 80 }] });
  assert.match(
    problems({}, { west: [headless, set] })[0] ?? "",
    /whose pods have names of their own only through the gateway; allowed: "true"\. Next: edit that line/,
  );
});

test("members of a federated service have equal ports", () => {
  const ports = (...numbers: number[]) => ({ ports: numbers.map((port) => ({ port })) });
  assert.match(
    problems({}, { east: [service("s", member, ports(80))], west: [service("s", member, ports(81))] })[0] ?? "",
    /the federated Service default\/s of west has ports 81\/TCP, but that of east has 80\/TCP; allowed: equal ports/,
  );
  const both = { east: [service("s", member, ports(80, 90))], west: [service("s", member, ports(90, 80))] };
  assert.deepEqual(problems({}, both), []);
});

test("the number of followed clusters is read from the controller's metrics", () => {
  assert.equal(followed("# HELP cluster_store_size x\ncluster_store_size 2\n"), 2);
  assert.equal(followed("other 1\n"), undefined);
});
