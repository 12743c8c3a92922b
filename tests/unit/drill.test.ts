import assert from "node:assert/strict";
import { X509Certificate, createPrivateKey } from "node:crypto";
import * as path from "node:path";
import { test } from "node:test";
import { drillArguments } from "../../drill/arguments";
import { commonName, expiredIssuer } from "../../drill/breaks/expiredIssuer";
import { chart } from "../../drill/chart";
import { drillIds } from "../../drill/drill";
import { drills } from "../../drill/drills";
import { Live, picture } from "../../drill/live";
import { chooseLink, refuseExisting } from "../../drill/main";
import { drillText, isWhole, json, nameReports, summaryTable, type DrillReport } from "../../drill/report";
import { namesOf, noAnswer } from "../../drill/traffic";
import type { Request } from "../../traffic/requests";
import { issuerFault } from "../../verify/certificates";
import { sampleMesh } from "../lib/sampleMesh";

const plain = (_: unknown, text: string) => text;

test("arguments: a drill and a stack, or --all and a stack", () => {
  const told = drillArguments(["gateway", "dev"]);
  assert.deepEqual([told.chosen, told.stack, told.seconds, told.breakExisting], [["gateway"], "dev", 20, false]);
  assert.equal(drillArguments(["pod"]).stack, "rehearsal");
  assert.deepEqual(drillArguments(["--all", "dev"]).chosen, drillIds);
  assert.equal(drillArguments(["--all", "dev"]).stack, "dev");
  assert.equal(drillArguments(["--all"]).stack, "rehearsal");
  const more = drillArguments(["link", "dev", "--seconds", "5", "--source", "east", "--target", "west", "--json", "a.json"]); // prettier-ignore
  assert.deepEqual([more.seconds, more.source, more.target, more.json], [5, "east", "west", path.resolve("a.json")]);
});

test("arguments name what is wrong, what is allowed, and the next command", () => {
  const allowed = "pod, gateway, link, controller, cluster, network, certificate, or --all";
  assert.throws(() => drillArguments([]), new RegExp(`drill is missing; allowed: ${allowed}. Next: .*--help`));
  assert.throws(() => drillArguments(["dev"]), /drill is dev; allowed: pod, /);
  assert.throws(() => drillArguments(["--all", "gateway", "dev"]), /--all is given with gateway, which it includes/);
  assert.throws(() => drillArguments(["pod", "a b"]), /stack is "a b"; Allowed: letters/);
  assert.throws(
    () => drillArguments(["pod", "--seconds", "0"]),
    /--seconds is "0"; allowed: whole numbers from 1 to 600/,
  );
  assert.throws(() => drillArguments(["pod", "--json", "/nowhere/a.json"]), /--json is .*an existing directory/);
});

test("clusters of the user's own are broken only with the flag", () => {
  const own = { name: "prod", runtime: "existing" } as const;
  assert.throws(
    () => refuseExisting(own, drillArguments(["gateway", "prod"])),
    /nothing was done\. Next: npm run drill -- gateway prod --break-existing/,
  );
  assert.throws(() => refuseExisting(own, drillArguments(["--all", "prod"])), /npm run drill -- --all prod --break/);
  refuseExisting(own, drillArguments(["gateway", "prod", "--break-existing"]));
  refuseExisting({ name: "dev", runtime: "k3d" }, drillArguments(["gateway", "dev"]));
});

test("the link with the most mirrors is drilled, unless one is named", () => {
  const { stack, status } = sampleMesh(["north", "east", "west"]);
  assert.equal(chooseLink(stack, status(), {}).target, "west", "only west exports something");
  assert.deepEqual(chooseLink(stack, status(), { source: "west", target: "north" }), {
    source: "west",
    target: "north",
  });
  assert.throws(
    () => chooseLink(stack, status(), { source: "west", target: "west" }),
    /stack dev has no link west->west; allowed: north->east, .*Next: /,
  );
});

test("every name of the other clusters is asked once", () => {
  const { status, facts } = sampleMesh(["north", "east", "west"]);
  const names = namesOf(status(), "west");
  assert.equal(names.length, 8, "four names in north, four in east");
  assert.deepEqual(names[0], { source: "north", host: "nginx-svc-west.default.svc.north.cluster.local:80" });
  assert.ok(names.some(({ host }) => host.startsWith("nginx-set-2.nginx-svc-west.")));
  assert.deepEqual([...new Set(namesOf(status(), "east").map(({ source }) => source))], ["north"]);
  facts("north").services = [];
  assert.ok(
    namesOf(status(), "west").every(({ source }) => source === "east"),
    "a mirror that is missing is not asked",
  );
});

test("the refusal for names that do not answer says that a policy may refuse the client, and how to find it", () => {
  const place = { stack: sampleMesh().stack, target: { context: "k3d-west" } } as Parameters<typeof noAnswer>[1];
  const text = noAnswer([{ source: "east", host: "web-west:80" }], place);
  assert.match(text, /these names do not answer the drill's client: east: web-west:80\. /);
  assert.match(
    text,
    /a Server or an AuthorizationPolicy, may refuse .* ServiceAccount default of namespace mesh-drill/,
  );
  assert.match(text, /Next: npm run verify -- dev\. If .*: kubectl --context k3d-west get .*authorizationpolicies/);
});

test("every drill has its own id, and says what it breaks and what to do", () => {
  assert.deepEqual(drills.map(({ id }) => id), drillIds); // prettier-ignore
  const { stack } = sampleMesh();
  const end = (name: string) => ({ name, context: `k3d-${name}` });
  const place = { stack, clusters: {}, source: end("east"), target: end("west") } as unknown as Parameters<(typeof drills)[0]["breaks"]>[0]; // prettier-ignore
  for (const drill of drills) {
    assert.match(drill.breaks(place), /^[a-z].* (east|west)/, drill.id);
    assert.match(drill.operator(place), /npm |kubectl /, drill.id);
  }
});

test("the certificate drill's issuer is a CA that expired yesterday, with its key", () => {
  const { certificate, key } = expiredIssuer();
  const read = new X509Certificate(certificate);
  assert.equal(read.subject, `CN=${commonName}`);
  assert.ok(read.ca && read.checkPrivateKey(createPrivateKey(key)) && read.verify(read.publicKey));
  assert.match(issuerFault(read, [read]) ?? "", /^the issuer expired on /);
});

const host = "a.svc-west.default.svc.east.cluster.local:80";
const other = "b.svc-west.default.svc.east.cluster.local:80";
const request = (at: number, of: string, exit = 0): Request => ({
  at,
  host: of,
  status: exit ? 0 : 200,
  exit,
  seconds: 0,
});

test("requests are counted from the break on, with the first loss and the first answer after the last one", () => {
  const requests = [
    request(99, host, 28),
    ...[
      request(101.5, host),
      request(102.5, host, 28),
      request(104, host, 6),
      request(100.2, host),
      request(103, host),
    ],
    request(105.1, host),
    ...[request(100.5, other), request(107, other)],
    request(120, other, 28),
  ];
  const [hit, whole] = nameReports([host, other].map((name) => ({ source: "east", host: name })), requests, { broken: 100, end: 108 }); // prettier-ignore
  assert.deepEqual(
    { ...hit, perSecond: hit?.perSecond.length },
    {
      ...{ source: "east", host, sent: 6, lost: 2, failed: { "timed out": 1, "no such name": 1 } },
      ...{ firstLost: 2.5, answeredAgain: 5.1, perSecond: 8 },
    },
  );
  assert.deepEqual(hit?.perSecond.slice(0, 5), [[1, 0], [1, 0], [1, 1], [1, 0], [1, 1]]); // prettier-ignore
  assert.deepEqual([whole?.sent, whole?.lost, whole?.firstLost, whole?.answeredAgain], [2, 0, undefined, undefined]);
  const [dead] = nameReports([{ source: "east", host }], [request(101, host, 28)], { broken: 100, end: 103 });
  assert.deepEqual([dead?.firstLost, dead?.answeredAgain], [1, undefined], "it never answered again");
});

const report: DrillReport = {
  ...{ drill: "gateway", link: { source: "east", target: "west" }, breaks: "the gateway of west is scaled to 0" },
  ...{ operator: "npm start puts it back", at: "2026-11-27T12:00:00.000Z", seconds: 20.1, restoreSeconds: 0.3 },
  names: [
    { source: "east", host, sent: 500, lost: 210, failed: { "proxy error": 200, "timed out": 10 }, firstLost: 0.9, answeredAgain: 24.3, perSecond: [[10, 0], [10, 10], [10, 5]] }, // prettier-ignore
    { source: "east", host: other, sent: 500, lost: 0, failed: {}, perSecond: [[10, 0]] },
  ],
  connectionsLost: 0,
  notices: [{ by: "status", what: "no pod of west's gateway is ready", after: 1.2 }],
  verifyBroken: { yes: 60, no: [{ id: "health.gateway", on: "west", why: "scaled to 0" }] },
  verifyAfter: { yes: 66, no: [] },
  allYesAfter: 7.5,
  healed: false,
};

test("the report of a drill names each loss, who noticed, and what to do", () => {
  const text = drillText(report, plain);
  assert.match(
    text,
    /^Drill gateway: the gateway of west is scaled to 0, for 20\.1 s\. The restoration took 0\.3 s\.$/m,
  );
  assert.match(text, /^× {2}east: a\.svc-west\.default +500 +210 +0\.9 s +4\.2 s after the restoration began +200 proxy error, 10 timed out$/m); // prettier-ignore
  assert.match(text, /^√ {2}east: b\.svc-west\.default +500 +0 +- +-$/m);
  assert.match(text, /^ +status +1\.2 s +no pod of west's gateway is ready$/m);
  assert.match(text, /^verify while broken: 60 yes, 1 no\.\nverify afterwards: 66 yes, 0 no, 7\.5 s after the restoration began\.$/m); // prettier-ignore
  assert.match(text, /^When it happens for real: npm start puts it back\.$/m);
  const quiet = drillText({ ...report, names: [], notices: [], connectionsLost: 2 }, plain);
  assert.match(quiet, /No name was asked\.[^]*broke 2 times[^]*Nobody noticed\./);
});

test("a drill is whole only when every name answers and verify says yes again", () => {
  const [name] = report.names;
  assert.ok(isWhole(report) && name);
  assert.ok(!isWhole({ ...report, names: [{ ...name, answeredAgain: undefined }] }));
  const bad = { ...report, allYesAfter: undefined, verifyAfter: { yes: 1, no: [{ id: "a", on: "east", why: "it is away" }] } }; // prettier-ignore
  assert.ok(!isWhole(bad));
  assert.match(drillText(bad, plain), /verify afterwards: 1 yes, 1 no: a \(east\): it is away\./);
});

test("the table of all drills has a row for each, and says why one did not run", () => {
  const table = summaryTable([report, { drill: "network", why: "simulated nodes exchange none" }], plain).split("\n");
  assert.match(table[1] ?? "", /^√ {2}gateway +1 of 2 +1000 +210 +status, 1\.2 s +1 no +4\.2 s +7\.5 s +not needed$/);
  assert.match(table[2] ?? "", /^- {2}network +not run: simulated nodes exchange none$/);
  const early = { ...report, names: report.names.map((name) => ({ ...name, answeredAgain: 3 })) };
  assert.match(summaryTable([early], plain), /1 no +while broken +7\.5 s/);
  assert.deepEqual((JSON.parse(json("dev", [report])) as { drills: unknown[] }).drills, [report]);
});

test("the chart has a row per name and the share of lost requests per second", () => {
  const svg = chart([report, { ...report, drill: "link", breaks: "a & b", names: [] }]);
  assert.match(svg, /^<svg [^]*<\/svg>\n$/);
  assert.ok(svg.includes("a &amp; b") && svg.includes("no name was asked"));
  assert.equal(svg.match(/fill="#d03b3b"/g)?.length, 2, "one second lost everything, one a half");
  assert.equal(svg.match(/fill="#3a9a4b"/g)?.length, 3);
});

test("the live picture shows each of the last seconds", () => {
  const requests = [request(98.5, host), request(99.2, host, 7), request(99.4, host), request(97.5, host, 7), request(99.5, other)]; // prettier-ignore
  const names = [{ source: "east", host }, { source: "east", host: other }]; // prettier-ignore
  const [first = "", second = ""] = picture({ names, requests }, 100, plain);
  assert.match(first, /^ {2}east: a\.svc-west\.default +×█▄$/);
  assert.match(second, /^ {2}east: b\.svc-west\.default +█$/);
});

test("without a terminal only lines are printed", () => {
  let written = "";
  const live = new Live({ write: (text) => (written += text) }, () => ["a picture"]);
  live.line("broken");
  live.end();
  assert.equal(written, "broken\n");
});

test("at a terminal a line goes above the picture, which is removed at the end", () => {
  let written = "";
  const live = new Live({ isTTY: true, write: (text) => (written += text) }, () => ["one", "two"]);
  live.line("broken");
  live.end();
  assert.equal(written, "broken\none\ntwo\n\x1b[2A\x1b[J");
});
