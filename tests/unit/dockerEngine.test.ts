/** Which Docker engines the program accepts, with a docker program that only says where its engine is. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { dockerProblem, importImages, k3d, startNodes } from "../../components/clusters/lifecycle/k3d";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "docker-engine-test-"));
after(() => fs.rmSync(home, { recursive: true }));
const docker = `#!/bin/sh
case "$1" in
  version) echo 28.0.0;;
  context) test -n "$ENDPOINT" && echo "$ENDPOINT";;
  save) echo archive;;
  ps) test -e "$SEEN.balancer" && echo id || true;;
  inspect) cat "$SEEN.balancer";;
  exec)
    echo "$@" >>"$SEEN.exec"
    case "$FAULT $*" in
      "platforms "*--all-platforms*) echo "ctr: content digest sha256:ab: not found" >&2; exit 1;;
      "archive "*) echo "ctr: unexpected EOF" >&2; exit 1;;
    esac;;
esac
`;
/** Its first start never ends where FAULT is `stuck`. Where it is another text, every start fails with it. */
const fakeK3d = `#!/bin/sh
echo "$DOCKER_SOCK" >"$SEEN"
echo "$@" >>"$SEEN.k3d"
case "$FAULT $(wc -l <"$SEEN.k3d")" in
  "stuck 1") echo 2026-11-28T07:05:18Z >"$SEEN.balancer"; exec sleep 60;;
  "stuck "*|" "*) ;;
  *) echo "$FAULT" >&2; exit 1;;
esac
`;
for (const [name, text] of Object.entries({ docker, k3d: fakeK3d })) {
  fs.writeFileSync(path.join(home, name), text, { mode: 0o755 });
}
process.env.PATH = `${home}${path.delimiter}${process.env.PATH}`;
process.env.XDG_DATA_HOME = home;
process.env.SEEN = path.join(home, "seen");

function use(endpoint: string, environment: { DOCKER_HOST?: string; DOCKER_SOCK?: string } = {}): void {
  for (const name of ["DOCKER_HOST", "DOCKER_SOCK"]) delete process.env[name];
  Object.assign(process.env, environment, { ENDPOINT: endpoint });
}

const remote = (address: string) =>
  `runtime is k3d, but the Docker engine ${address} is on another machine, where this one cannot reach the clusters; ` +
  "allowed: an engine of this machine. Next: docker context ls, and docker context use <context>, or unset DOCKER_HOST";

for (const address of ["tcp://10.0.0.1:2376", "tcp://docker:2375", "ssh://me@build", "ssh://localhost"]) {
  test(`an engine on another machine is refused: ${address}`, async () => {
    use(address);
    assert.equal(await dockerProblem(), remote(address));
  });
}

test("DOCKER_HOST counts where docker has no contexts", async () => {
  use("", { DOCKER_HOST: "tcp://10.0.0.1:2376" });
  assert.equal(await dockerProblem(), remote("tcp://10.0.0.1:2376"));
});

const local = ["unix:///run/user/1000/docker.sock", "tcp://localhost:2375", "tcp://127.0.0.1:2375", "tcp://[::1]:2375"];
for (const address of [...local, ""]) {
  test(`an engine of this machine is accepted: ${address || "none named"}`, async () => {
    use(address);
    assert.equal(await dockerProblem(), undefined);
  });
}

const onLinux = { skip: process.platform !== "linux" };
for (const [title, address, environment, expected] of [
  ["the context's", "unix:///run/user/1000/docker.sock", {}, "/run/user/1000/docker.sock"],
  ["DOCKER_HOST's", "", { DOCKER_HOST: "unix:///tmp/d.sock" }, "/tmp/d.sock"],
  ["DOCKER_SOCK", "unix:///tmp/d.sock", { DOCKER_SOCK: "/mine" }, "/mine"],
  ["its usual one for Docker Desktop", "unix:///home/a/.docker/desktop/docker.sock", {}, ""],
  ["its usual one for tcp", "tcp://localhost:2375", {}, ""],
] as const) {
  test(`k3d mounts a socket: ${title}`, onLinux, async () => {
    use(address, environment);
    await k3d.start("any");
    assert.equal(fs.readFileSync(path.join(home, "seen"), "utf8").trim(), expected);
  });
}

/** The calls of ctr. */
async function imported(fault: string): Promise<string[]> {
  fs.rmSync(`${process.env.SEEN}.exec`, { force: true });
  process.env.FAULT = fault;
  await importImages("node", ["shop:dev"]);
  return fs.readFileSync(`${process.env.SEEN}.exec`, "utf8").trim().split("\n");
}

test("images of Docker's containerd store are imported for this machine's platform", async () => {
  const whole = "exec --interactive node ctr image import --all-platforms -";
  assert.deepEqual(await imported(""), [whole]);
  assert.deepEqual(await imported("platforms"), [whole, "exec --interactive node ctr image import -"]);
  await assert.rejects(imported("archive"), /unexpected EOF/);
});

for (const [title, fault, others] of [
  ["a start that ends is the only one", "", []],
  ["nodes whose start never ends are stopped and started", "stuck", ["stop any", "start any --timeout 3m"]],
] as const) {
  test(title, async () => {
    assert.deepEqual(
      await starts(fault),
      ["start any", ...others].map((words) => `cluster ${words}`),
    );
  });
}

test("a start that fails is not tried again", async () => {
  await assert.rejects(starts("port is already allocated"), /already allocated/);
  assert.deepEqual(calls(), ["cluster start any"]);
});

const calls = () => fs.readFileSync(`${process.env.SEEN}.k3d`, "utf8").trim().split("\n");

/** What k3d is told to start a cluster, if its load balancer is given three seconds. */
async function starts(fault: string): Promise<string[]> {
  use("");
  for (const file of ["k3d", "balancer"]) fs.rmSync(`${process.env.SEEN}.${file}`, { force: true });
  process.env.FAULT = fault;
  try {
    await startNodes("any", ["cluster", "start", "any"], 3);
    return calls();
  } finally {
    delete process.env.FAULT;
  }
}
