/** Runtime `existing` reads kubeconfigs as kubectl does, and hands on one context that needs no file of this machine. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, beforeEach, test } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { parse } from "yaml";
import type { ClustersArgs } from "../../components/clusters";
import { preflight } from "../../components/clusters/preflight";
import { contextProblems, kubeconfigFiles, readContext } from "../../config/contexts";
import { RefusedError } from "../../config/settings";
import { root } from "../../lib/paths";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "contexts-test-"));
after(() => fs.rmSync(home, { recursive: true }));
beforeEach(() => {
  delete process.env.KUBECONFIG;
});

function write(name: string, text: string): string {
  const file = path.join(home, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  return file;
}

interface One {
  clusters: { cluster: object }[];
  users: { user: { exec?: { command: string } } }[];
  contexts: { context: object }[];
}
const read = (kubeconfig?: string) => readContext("east", { context: "work", kubeconfig });
const parsed = (kubeconfig?: string) => parse(read(kubeconfig).text) as One;
const problem = (kubeconfig?: string) => contextProblems("east", { context: "work", kubeconfig }).join("\n");

/** A kubeconfig with one context, `work`. */
const config = ({ cluster = 'server: "https://a:6443"', user = "token: t", context = "cluster: c, user: u" } = {}) =>
  `clusters: [{name: c, cluster: {${cluster}}}]
users: [{name: u, user: {${user}}}]
contexts: [{name: work, context: {${context}}}]
`;

test("the text for inline data in one file is the one that older states hold", () => {
  const file = write(
    "usual",
    `apiVersion: v1
kind: Config
current-context: other
clusters:
  - { name: c, cluster: { server: "https://a:6443", certificate-authority-data: Q0E= } }
  - { name: other, cluster: { server: "https://b:6443" } }
users:
  - { name: u, user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: sh, args: [login], env: null } } }
contexts:
  - { name: work, context: { cluster: c, namespace: default, user: u } }
`,
  );
  const text = `apiVersion: v1
kind: Config
clusters:
  - name: c
    cluster:
      server: https://a:6443
      certificate-authority-data: Q0E=
users:
  - name: u
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: sh
        args:
          - login
        env: null
contexts:
  - name: work
    context:
      cluster: c
      namespace: default
      user: u
current-context: work
`;
  assert.deepEqual(read(file), { text, server: "https://a:6443" });
});

test("an empty KUBECONFIG counts as unset, and a setting wins over it", () => {
  const standard = [path.join(os.homedir(), ".kube", "config")];
  const files = (kubeconfig?: string) => kubeconfigFiles({ context: "work", kubeconfig });
  for (const empty of ["", path.delimiter]) {
    process.env.KUBECONFIG = empty;
    assert.deepEqual(files(), standard);
  }
  process.env.KUBECONFIG = ["", "/a", "/b"].join(path.delimiter);
  assert.deepEqual(files(), ["/a", "/b"]);
  assert.deepEqual(files("/c"), ["/c"]);
  assert.deepEqual(files("~/east.yaml"), [path.join(os.homedir(), "east.yaml")]);
  assert.deepEqual(files("east.yaml"), [path.join(root, "east.yaml")]);
});

test("a context, its cluster and its user may be in three files, and the first entry of a name wins", () => {
  process.env.KUBECONFIG = [
    write("1", "contexts: [{name: work, context: {cluster: c, user: u}}]"),
    path.join(home, "missing"),
    write("2", 'clusters: [{name: c, cluster: {server: "https://first"}}]'),
    write("3", config({ cluster: 'server: "https://second"' })),
  ].join(path.delimiter);
  assert.equal(read().server, "https://first");
});

test("the content of certificate files becomes part of the text, from the kubeconfig's directory", () => {
  for (const name of ["ca", "crt", "key"]) write(`sub/${name}`, name);
  const file = write(
    "sub/config",
    config({
      cluster: 'server: "https://a", certificate-authority: ca',
      user: `client-certificate: ${home}/sub/crt, client-key: ./key, client-key-data: S0VZ`,
    }),
  );
  const { clusters, users } = parsed(file);
  assert.deepEqual(clusters[0]?.cluster, { server: "https://a", "certificate-authority-data": "Y2E=" });
  assert.deepEqual(users[0]?.user, { "client-certificate-data": "Y3J0", "client-key-data": "S0VZ" });
});

test("a token file is read again by every client", () => {
  const token = write("sub/token", "first");
  const file = write("sub/config", config({ user: "tokenFile: token" }));
  const { text } = read(file);
  fs.writeFileSync(token, "second");
  const client = new KubeConfig();
  client.loadFromString(text);
  assert.equal(client.getCurrentUser()?.token, "second");
  assert.deepEqual(parsed(file).users[0]?.user, { tokenFile: token, "token-file": token });
});

test("an exec command with a separator starts from the kubeconfig's directory, and one without is on PATH", () => {
  fs.chmodSync(write("bin/login", ""), 0o755);
  const command = (name: string) =>
    parsed(write("config", config({ user: `exec: {command: ${name}}` }))).users[0]?.user;
  assert.deepEqual(command("bin/login"), { exec: { command: path.join(home, "bin/login") } });
  assert.deepEqual(command("sh"), { exec: { command: "sh" } });
});

test("the context's own namespace does not decide where objects go", () => {
  const { contexts } = parsed(write("namespace", config({ context: "cluster: c, user: u, namespace: shop" })));
  assert.deepEqual(contexts[0]?.context, { cluster: "c", user: "u" });
});

const named = 'existing.east.context is "work"; ';
const choose = ". Next: pulumi config set --path existing.east.context <context>";
for (const [title, text, expected] of [
  ["not YAML", "clusters: [", /is not YAML: .*\. Next: repair \S+bad$/],
  ["a text", "hello", /bad is not a kubeconfig\. Next: repair \S+bad$/],
  ["a list", "- a", /bad is not a kubeconfig/],
  ["empty", "", /allowed: a context of \S+bad: there is none\. Next: /],
  ["lists that are maps", "contexts: {work: {}}", /contexts in \S+bad is not a list\. Next: repair \S+bad$/],
  ["an entry that is a text", "users: [u]", /users in \S+bad has an entry without name and user\. Next: repair/],
  ["an entry that is null", "clusters: [null]", /clusters in \S+bad has an entry without name and cluster/],
  ["an entry without a name", "clusters: [{cluster: {}}]", /clusters in \S+bad has an entry without name and cluster/],
  ["a user that is a list", "users: [{name: u, user: []}]", /users in \S+bad has an entry without name and user/],
  ["no such context", config().replace("work", "other"), /allowed: a context of \S+bad: other\. Next: /],
  ["no such cluster", config({ context: "cluster: x, user: u" }), /no file of \S+bad has its cluster "x"\. Next: /],
  ["no user", config({ context: "cluster: c" }), /no file of \S+bad has its user undefined\. Next: /],
  ["no server", config({ cluster: "" }), /the server of its cluster c is undefined, not a URL\. Next: /],
  ["a missing certificate", config({ user: "client-key: gone" }), /client-key of u .*ENOENT.*Next: ls -l \S+gone$/],
  ["a certificate that is a number", config({ user: "client-key: 1" }), /client-key of u is 1, not a path\. Next: /],
  [
    "a missing token file",
    config({ user: "tokenFile: gone" }),
    /tokenFile of u cannot be read: .*Next: ls -l \S+gone$/,
  ],
  [
    "a missing plugin",
    config({ user: "exec: {command: no-such}" }),
    /come from no-such, which is not an installed program\. Next: install no-such$/,
  ],
  ["a plugin with a hint", config({ user: "exec: {command: no-such, installHint: Get it}" }), /\. Next: Get it$/],
  [
    "a plugin without a command",
    config({ user: "exec: {}" }),
    /the exec command of its user is undefined, not a program/,
  ],
] as const) {
  // prettier-ignore
  test(`a kubeconfig is refused: ${title}`, () => {
    const found = problem(write("bad", text));
    assert.ok(found.startsWith(named), found);
    assert.match(found, expected);
  });
}

test("preflight refuses the contexts of all clusters at once", async () => {
  const existing = { east: { context: "a", kubeconfig: home }, west: { context: "b", kubeconfig: home } };
  const args = { plan: { runtime: "existing" }, settings: { existing, installGatewayApi: false }, owner: "me" };
  await assert.rejects(preflight(args as unknown as ClustersArgs), (error) => {
    assert.ok(error instanceof RefusedError);
    assert.deepEqual(
      error.problems.map((problem) => problem.split(";")[0]),
      ['existing.east.context is "a"', 'existing.west.context is "b"'],
    );
    return true;
  });
});

test("a kubeconfig that is a directory or does not exist is refused", () => {
  assert.equal(problem(home), `${named}${home} cannot be read: EISDIR: illegal operation on a directory, read. Next: ls -ld ${home}`); // prettier-ignore
  const missing = path.join(home, "nothing");
  assert.equal(problem(missing), `${named}allowed: a context of ${missing}: there is none${choose}`);
});
