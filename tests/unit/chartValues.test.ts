/** The setting chartValues adds to the program's values, and never replaces one that the mesh depends on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mergedValues, type Values } from "../../components/chartValues";
import { type ChartName, RefusedError } from "../../config/settings";

const own = { clusterDomain: "east.cluster.local", proxy: { logLevel: "warn" }, gateway: { replicas: 2 } };

function problems(chart: ChartName, given: Values): string[] {
  try {
    mergedValues(chart, own, given);
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    return error.problems;
  }
  return [];
}

test("values are added at any depth, and the program's stay", () => {
  assert.deepEqual(mergedValues("linkerd-control-plane", own), own);
  assert.deepEqual(
    mergedValues("linkerd-control-plane", own, { proxy: { cores: 1 }, nodeSelector: { disk: "ssd" }, list: [1] }),
    { ...own, proxy: { logLevel: "warn", cores: 1 }, nodeSelector: { disk: "ssd" }, list: [1] },
  );
  assert.deepEqual(own.proxy, { logLevel: "warn" });
});

test("the number of gateways is the user's choice", () => {
  const values = mergedValues("linkerd-multicluster", own, {
    gateway: { replicas: 1, serviceAnnotations: { a: "b" } },
  });
  assert.deepEqual(values.gateway, { replicas: 1, serviceAnnotations: { a: "b" } });
});

for (const [chart, given, problem] of [
  [
    "linkerd-control-plane",
    { clusterDomain: "x" },
    'chartValues.linkerd-control-plane.clusterDomain is "x"; allowed: what the program does not set (the mesh depends on it). ' +
      "Next: pulumi config rm --path 'chartValues[\"linkerd-control-plane\"].clusterDomain'",
  ],
  [
    "linkerd-control-plane",
    { proxy: { logLevel: "debug" } },
    'chartValues.linkerd-control-plane.proxy.logLevel is "debug"; allowed: what the program does not set (the setting ' +
      "proxyLogLevel sets it). Next: pulumi config rm --path 'chartValues[\"linkerd-control-plane\"].proxy.logLevel'",
  ],
  [
    "linkerd-control-plane",
    { proxy: false },
    "chartValues.linkerd-control-plane.proxy is false; allowed: what the program does not set (the mesh depends on it). " +
      "Next: pulumi config rm --path 'chartValues[\"linkerd-control-plane\"].proxy'",
  ],
  [
    "linkerd-multicluster",
    { gateway: { port: 5143 } },
    "chartValues.linkerd-multicluster.gateway.port is 5143; allowed: what the program does not set (the proxy takes " +
      "requests for other clusters on port 4143 only). Next: pulumi config rm --path 'chartValues[\"linkerd-multicluster\"].gateway.port'",
  ],
] as const) {
  test(`refused: ${JSON.stringify(given)} for ${chart}`, () => assert.deepEqual(problems(chart, given), [problem]));
}

test("values that would undo the program's certificates are refused", () => {
  const given = { proxyInjector: { injectCaFrom: "x", replicas: 2 }, identity: { issuer: { tls: { crtPEM: "x" } } } };
  const named = mergedNames({ ...own, proxyInjector: { caBundle: "CA" }, identity: { issuer: {} } }, given);
  assert.deepEqual(named, ["proxyInjector.injectCaFrom", "identity.issuer.tls"]);
});

function mergedNames(mine: Values, given: Values): string[] {
  try {
    mergedValues("linkerd-control-plane", mine, given);
    return [];
  } catch (error) {
    assert.ok(error instanceof RefusedError, String(error));
    return error.problems.map((problem) => /^chartValues\.linkerd-control-plane\.(\S+) is /.exec(problem)?.[1] ?? "");
  }
}

test("all refused values are named at once", () => {
  assert.equal(problems("linkerd-control-plane", { clusterDomain: 1, proxy: { logLevel: 2 } }).length, 2);
});
