import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "../../verify/api";
import { lacks } from "../../verify/federatedMembers";

const service = (name: string, metadata: Service["metadata"] = {}, clusterIP = "10.0.0.1"): Service => ({
  metadata: { name, namespace: "shop", ...metadata },
  spec: { clusterIP },
});
const member = { labels: { "mirror.linkerd.io/federated": "member" } };
/** The federated service of web, with the members that its annotations name. */
const joined = (local: string | undefined, remote: string | undefined): Service =>
  service("web-federated", {
    annotations: {
      ...(local !== undefined && { "multicluster.linkerd.io/local-discovery": local }),
      ...(remote !== undefined && { "multicluster.linkerd.io/remote-discovery": remote }),
    },
  });
const shop = new Set(["shop"]);

/** The clusters whose pods the federated services of east lack. */
function lacking(services: Record<string, Service[]>, lasting = shop): string[] {
  return lacks("east", services, lasting).map(({ federated, cluster }) => `${federated} ${cluster}`);
}

test("a federated service has a member of each cluster whose service is one", () => {
  const web = service("web", member);
  const all = (federated: Service) => ({ east: [web, federated], west: [web], north: [web], south: [service("web")] });
  assert.deepEqual(lacking(all(joined("web", "web@west,web@north"))), []);
  assert.deepEqual(lacking(all(joined(undefined, "web@north,web@west"))), ["web-federated east"]);
  assert.deepEqual(lacking(all(joined("web", "web@west"))), ["web-federated north"]);
  assert.deepEqual(lacking(all(joined("web", "web@westend,webs@west,web@north"))), ["web-federated west"]);
  assert.deepEqual(lacking(all(joined("web", undefined))), ["web-federated west", "web-federated north"]);
});

test("a federated service that does not exist lacks every member", () => {
  const web = service("web", member);
  assert.deepEqual(lacking({ east: [web], west: [web] }), ["web-federated east", "web-federated west"]);
});

test("Linkerd federates no headless service, no mirror, and nothing in a namespace that the cluster lacks", () => {
  const mirrored = { labels: { ...member.labels, "mirror.linkerd.io/mirrored-service": "true" } };
  const headless = service("db", member, "None");
  assert.deepEqual(lacking({ east: [headless, service("web", mirrored)], west: [headless] }), []);
  assert.deepEqual(lacking({ east: [], west: [service("web", { ...member, namespace: "other" })] }), []);
});
