import assert from "node:assert/strict";
import { test } from "node:test";
import { stringify } from "yaml";
import { type AddressRange, overlapOf, rangeOf } from "../../lib/addressRanges";
import type { ClusterClient } from "../../verify/api";
import type { LinkContext } from "../../verify/check";
import { networksFault, podRangeChecks } from "../../verify/podRanges";

const ranges = (...texts: string[]): AddressRange[] =>
  texts.map((text) => {
    const range = rangeOf(text);
    assert.ok(range, text);
    return range;
  });

test("a range is an address of IPv4 or IPv6 and the length of its prefix", () => {
  assert.equal(rangeOf("10.42.0.0/16")?.start.family, "ipv4");
  assert.equal(rangeOf("FD00::/8")?.start.family, "ipv6");
  const wrong = ["", "10.0.0.0", "10.0.0/8", "10.0.0.0/33", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "fe80::1%a/8"];
  for (const text of [...wrong, " 10.0.0.0/8", "10.0.0.0/", "/8", "west", "010.0.0.0/8"]) {
    assert.equal(rangeOf(text), undefined, text);
  }
});

test("clusterNetworks covers a pod range that lies whole in one of its networks", () => {
  const value = "10.0.0.0/8,192.168.7.1/16,fd00::/8";
  const covered = ["10.0.0.0/8", "10.42.0.0/24", "192.168.255.0/24", "fd00:42::/64", "10.1.2.3/32"];
  assert.equal(networksFault(value, ranges(...covered)), undefined);
  assert.deepEqual(networksFault(value, ranges("10.42.0.0/24", "8.0.0.0/6", "2001:db8::/64")), {
    why: `clusterNetworks is "${value}"; it lacks 8.0.0.0/6, 2001:db8::/64, where the target's pods are`,
    list: `${value},8.0.0.0/6,2001:db8::/64`,
  });
});

test("a network of one family covers no range of the other", () => {
  assert.equal(networksFault("::/0,0.0.0.0/0", ranges("10.42.0.0/24", "fd00:42::/64")), undefined);
  assert.match(networksFault("::/0", ranges("10.42.0.0/24"))?.why ?? "", /lacks 10\.42\.0\.0\/24/);
  assert.match(networksFault("0.0.0.0/0", ranges("::ffff:a00:0/104"))?.why ?? "", /lacks ::ffff/);
});

test("a clusterNetworks that Linkerd cannot read is named, and replaced by a list that it can", () => {
  const pods = ranges("10.42.0.0/24");
  assert.deepEqual(networksFault("10.0.0.0/8, fd00::/8", pods), {
    why: 'clusterNetworks is "10.0.0.0/8, fd00::/8"; " fd00::/8" in it is not a range of addresses',
    list: "10.0.0.0/8",
  });
  const standard = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8";
  for (const value of [undefined, null, "", "10.0.0/8", 10, ["10.0.0.0/8"]]) {
    const fault = networksFault(value, pods);
    assert.match(fault?.why ?? "", /it lacks 10\.42\.0\.0\/24/);
    assert.equal(fault?.list, standard);
  }
  assert.match(networksFault(undefined, pods)?.why ?? "", /^clusterNetworks is missing; /);
  assert.equal(networksFault("", ranges("8.8.0.0/16"))?.list, `${standard},8.8.0.0/16`);
});

test("two ranges overlap if one contains the other", () => {
  const shared = (source: string[], target: string[]) =>
    overlapOf(ranges(...source), ranges(...target))?.map(({ text }) => text);
  assert.deepEqual(shared(["10.42.0.0/24"], ["10.42.0.0/24"]), ["10.42.0.0/24", "10.42.0.0/24"]);
  assert.deepEqual(shared(["10.42.0.0/16"], ["10.43.0.0/24", "10.42.9.0/24"]), ["10.42.0.0/16", "10.42.9.0/24"]);
  assert.deepEqual(shared(["10.42.9.0/24"], ["10.42.0.0/16"]), ["10.42.9.0/24", "10.42.0.0/16"]);
  assert.deepEqual(shared(["fd00:42::/64"], ["fd00:42::/56"]), ["fd00:42::/64", "fd00:42::/56"]);
  assert.equal(shared(["10.42.0.0/24", "fd00:42::/64"], ["10.42.1.0/24", "fd00:43::/64"]), undefined);
  assert.equal(shared(["0.0.0.0/0"], ["::/0"]), undefined);
});

/** A cluster with one node, its services by label, and its clusterNetworks. */
function cluster(name: string, podCIDRs: string[] | undefined, { exported = "", networks = "10.0.0.0/8" } = {}) {
  const values = stringify({ clusterNetworks: networks });
  const core = {
    listNamespacedPod: () => Promise.resolve({ items: [] }),
    listNode: () => Promise.resolve({ items: [{ spec: { podCIDRs } }] }),
    listServiceForAllNamespaces: ({ labelSelector }: { labelSelector: string }) =>
      Promise.resolve({ items: labelSelector === exported ? [{}] : [] }),
    readNamespacedConfigMap: () => Promise.resolve({ data: { values } }),
  };
  return { name, core } as unknown as ClusterClient;
}

async function answers(source: ClusterClient, target: ClusterClient, runtime = "k3d"): Promise<string[]> {
  const context = { source, target, stack: { name: "dev", runtime } } as LinkContext;
  const asked = podRangeChecks.map(async (check) => {
    const inapplicable = await check.applies(context);
    if (inapplicable !== undefined) return inapplicable;
    const { answer, why, next } = await check.run(context);
    return [answer, why, ...(next === undefined ? [] : [next])].join(": ");
  });
  return Promise.all(asked);
}

const flat = { exported: "mirror.linkerd.io/exported=remote-discovery" };
const federated = { exported: "mirror.linkerd.io/federated=member" };

test("the checks of pod ranges need a flat or federated service, and nodes that name their ranges", async () => {
  const east = cluster("east", ["10.42.0.0/24"]);
  const none = "the target exports no flat or federated service";
  assert.deepEqual(await answers(east, cluster("west", ["10.42.0.0/24"])), [none, none]);
  const silent = "not applicable: the nodes of west have no podCIDRs";
  assert.deepEqual(await answers(east, cluster("west", undefined, flat)), [silent, silent]);
  assert.deepEqual(await answers(cluster("east", []), cluster("west", ["10.43.0.0/24"], federated)), [
    "yes: clusterNetworks covers all pod ranges of west",
    "not applicable: the nodes of east have no podCIDRs",
  ]);
});

test("a pod range that is foreign or shared is named with the next command", async () => {
  const west = cluster("west", ["10.42.0.0/24", "fd00:42::/64"], federated);
  const set = "pulumi config set --path 'chartValues[\"linkerd-control-plane\"].clusterNetworks'";
  const foreign =
    'no: clusterNetworks is "10.0.0.0/8"; it lacks fd00:42::/64, where the target\'s pods are: ' +
    `${set} 10.0.0.0/8,fd00:42::/64, then npm start -- dev`;
  const shared = "no: pods of east are in 10.42.0.0/16, pods of west in 10.42.0.0/24: these ranges overlap: ";
  const east = cluster("east", ["10.42.0.0/16"]);
  assert.deepEqual(await answers(east, west), [
    foreign,
    `${shared}pulumi config set network flat, then npm start -- dev`,
  ]);
  assert.deepEqual(await answers(east, west, "existing"), [
    foreign,
    `${shared}make the clusters anew with separate pod ranges, then npm start -- dev`,
  ]);
  assert.deepEqual(await answers(cluster("east", ["10.41.0.0/24"], { networks: "0.0.0.0/0,fd00::/8" }), west), [
    "yes: clusterNetworks covers all pod ranges of west",
    "yes: no pod ranges overlap",
  ]);
});
