import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, describe, test } from "node:test";
import * as manifest from "../../package.json";
import { pulumiFlags, takesPulumiFlags } from "../../cli/pulumiFlags";
import { newCommand, parse, takesStack } from "../../lib/commandLine";
import { download } from "../../tools/download";
import { shellExports } from "../../cli/env";
import { withoutValues } from "../../stacks/eventLog";
import { exclusively } from "../../lib/locks";
import { findTools, isOlder, onPath, type Probes } from "../../tools/findTools";
import { isDownloaded, linkedDirectories, linkPlugin, unlinkPlugin } from "../../tools/plugins";
import { defaultBackend, hasLogin, pulumiHome } from "../../tools/pulumiHome";
import { root } from "../../lib/paths";
import { run, UserError } from "../../lib/run";
import { chooseRuntime } from "../../stacks/stackFile";
import { describe as describeStack } from "../../cli/start";
import { sampleMesh } from "../lib/sampleMesh";
import { type Tool, toolsFor } from "../../tools/tools";
import { builtDirectory } from "../../offline/tools/build";

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-cli-"));
after(() => fs.rmSync(temporary, { recursive: true }));

void describe("whether node_modules matches package-lock.json", () => {
  const lock = (packages: object) => ({ packages: { "": {}, ...packages } });
  const wanted = lock({
    "node_modules/a": { version: "1.0.0" },
    "node_modules/b/node_modules/c": { version: "2.0.0" },
    "node_modules/other-platform": { version: "1.0.0", optional: true },
  });
  const installed = { "node_modules/a": { version: "1.0.0" }, "node_modules/b/node_modules/c": { version: "2.0.0" } };
  for (const [name, found, expected] of [
    ["nothing installed", undefined, /node_modules is missing/],
    ["the same, an optional package left out", lock(installed), undefined],
    ["an older version", lock({ ...installed, "node_modules/a": { version: "0.9.0" } }), /a 1\.0\.0, .* has 0\.9\.0/],
    ["one missing", lock({ "node_modules/a": { version: "1.0.0" } }), /asks for c 2\.0\.0, node_modules has none/],
  ] as const) {
    void test(name, async () => {
      const { whyInstall } = await import("../../cli/installed.mjs");
      const why = whyInstall(wanted, found);
      if (expected) assert.match(why ?? "", expected);
      else assert.equal(why, undefined);
    });
  }
});

void describe("where a tool comes from", () => {
  const fetched: Tool = {
    name: "fetched",
    version: "v1.0.0",
    programs: ["fetched"],
    download: () => ({ urls: ["https://fetched.example/file"] }),
    modules: ["etcd"],
  };
  const fetchedBy = { program: "engine", url: () => "https://plugins.example/file", isKept: () => false };
  const plugin: Tool = { ...fetched, name: "plugin", download: undefined, fetchedBy };
  const standIn: Tool = { ...plugin, modules: [], standIn: "offline/plugins" };
  const nothing: Probes = {
    onPath: () => Promise.resolve(undefined),
    kept: () => undefined,
    keptByAnother: () => false,
    answers: () => Promise.resolve(false),
  };
  const online = { answers: () => Promise.resolve(true) };
  const asked = { answers: () => assert.fail("the network was asked") };
  const usable = { onPath: () => Promise.resolve({ usable: true as const, directories: ["/beside"] }) };
  const old = { onPath: () => Promise.resolve({ usable: false as const, why: "it is 0.1.0" }) };

  for (const [name, tool, probes, expected] of [
    ["PATH before all else", fetched, { ...asked, ...usable, kept: () => ["/kept"] }, "on PATH"],
    ["then what was kept", fetched, { ...asked, kept: () => ["/kept"] }, "kept"],
    ["then what another program keeps", plugin, { ...asked, keptByAnother: () => true }, "fetched by another"],
    ["then its publisher", fetched, online, "download"],
    ["a plugin is left to the engine", plugin, online, "fetched by another"],
    ["else it is built", fetched, {}, "build"],
    ["a plugin as well", plugin, {}, "build"],
    ["or stood in for", standIn, {}, "stand-in"],
    ["an old one on PATH is passed over", fetched, { ...old, ...online }, "download"],
    ["what was built goes before an old one on PATH", plugin, { ...asked, ...old, kept: () => ["/kept"] }, "kept"],
    ["a plugin is built instead of an old one on PATH", plugin, old, "build"],
  ] as const) {
    void test(name, async () => {
      const [found] = await findTools([tool], { ...nothing, ...probes });
      assert.equal(found?.way, expected);
    });
  }

  void test("says why an old one on PATH is passed over and why it is built", async () => {
    const [found] = await findTools([fetched], { ...nothing, ...old });
    const notes = ["it is 0.1.0: passed over", "fetched v1.0.0: fetched.example does not answer, so it is built"];
    assert.deepEqual(found?.notes, notes);
  });

  void test("refuses an old one on PATH that another program would take", async () => {
    await assert.rejects(findTools([plugin], { ...nothing, ...old, ...online }), /it is 0\.1\.0\. Next: .*off PATH/);
  });

  void test("asks about all missing tools at once", async () => {
    let [asking, most] = [0, 0];
    const answers = async () => {
      most = Math.max(most, ++asking);
      await new Promise((resolve) => setTimeout(resolve, 20));
      asking -= 1;
      return false;
    };
    await findTools([fetched, plugin, standIn], { ...nothing, answers });
    assert.equal(most, 3);
  });
});

void describe("a tool on PATH", () => {
  const tool: Tool = {
    name: "x",
    version: "v2.0.0",
    oldest: "1.5.0",
    programs: ["x", "y"],
    versionArgs: [],
    modules: [],
  };
  const directory = (name: string, programs: Record<string, string>) => {
    const created = path.join(temporary, name);
    fs.mkdirSync(created);
    for (const [program, script] of Object.entries(programs)) {
      fs.writeFileSync(path.join(created, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    return created;
  };
  const release = directory("release", { x: "echo x version v1.10.0 linux", y: "" });

  void test("is taken when new enough", async () => {
    assert.deepEqual(await onPath(tool, `/nowhere:${release}`), { usable: true, directories: [] });
  });
  void test("finds the rest of the release beside the link's target", async () => {
    const linked = directory("linked", {});
    fs.symlinkSync(path.join(release, "x"), path.join(linked, "x"));
    assert.deepEqual(await onPath(tool, linked), { usable: true, directories: [fs.realpathSync(release)] });
  });
  void test("is absent without an executable of that name", async () => {
    const other = directory("other", { y: "" });
    fs.writeFileSync(path.join(other, "x"), "not executable", { mode: 0o644 });
    assert.equal(await onPath(tool, other), undefined);
  });
  for (const [name, programs, why] of [
    ["old", { x: "echo v1.4.9", y: "" }, /x is 1\.4\.9, older than 1\.5\.0/],
    ["broken", { x: "echo gone >&2; exit 1", y: "" }, /does not say its version \(gone\)/],
    ["incomplete", { x: "echo v2.0.0" }, /without y/],
  ] as const) {
    void test(`is not usable when ${name}`, async () => {
      const found = await onPath(tool, directory(name, programs));
      assert.ok(found && !found.usable);
      assert.match(found.why, why);
    });
  }
});

void test("versions are compared by number", () => {
  assert.ok(isOlder("3.9.0", "3.10.0"));
  assert.ok(isOlder("0.6.9", "0.7.0"));
  assert.ok(!isOlder("3.10.0", "3.9.9"));
  assert.ok(!isOlder("1.31.0", "1.31.0"));
});

void test("every tool that can be built has a recipe, for the version that would be downloaded", () => {
  for (const { name, version, modules, fetchedBy } of new Set(Object.values(toolsFor).flat())) {
    for (const module of modules) assert.ok(path.isAbsolute(builtDirectory(module)), name);
    const first = modules[0] && path.basename(builtDirectory(modules[0]));
    if (first && fetchedBy?.program !== "pulumi") assert.ok(first.startsWith(`${name}-${version}-`), first);
  }
});

void describe("command lines", () => {
  for (const [words, flags] of [
    [[], []],
    [["--refresh"], ["--refresh"]],
    [
      ["-r", "--target", "a", "--target", "b"],
      ["--refresh", "--target", "a", "--target", "b"],
    ],
    [["--parallel=4"], ["--parallel", "4"]],
  ] as const) {
    void test(`flags for pulumi: ${words.join(" ") || "none"}`, () => {
      const command = takesPulumiFlags(newCommand("start", "", {}), "up");
      parse(command, [...words]);
      assert.deepEqual(pulumiFlags(command), flags);
    });
  }
  void test("a stack pulumi would refuse is refused", () => {
    for (const stack of ["a b", "../x", "ä"]) {
      const message = /stack is ".*"; allowed: letters, digits, .*Next: npm stop -- --help$/;
      assert.throws(() => parse(takesStack(newCommand("stop", "", {})), [stack]), message);
    }
  });

  /** Output and exit code of each command, in one process without a PATH: none may prepare a tool or run a program. */
  const told = (word: string) => {
    const script = `
      const { main } = require("./cli/main");
      void (async () => {
        const all = {};
        for (const name of ${JSON.stringify(Object.keys(manifest.scripts))}) {
          let text = "";
          process.stdout.write = process.stderr.write = (more) => ((text += more), true);
          all[name] = { code: await main([name, ${JSON.stringify(word)}]), text };
        }
        require("node:fs").writeSync(1, JSON.stringify(all));
      })();
    `;
    const words = ["--import", "tsx", "-e", script];
    const { stdout } = spawnSync(process.execPath, words, { cwd: root, encoding: "utf8", env: { PATH: "" } });
    return Object.entries(JSON.parse(stdout) as Record<string, { code: number; text: string }>);
  };
  void test("--help shows usage, options and examples", () => {
    for (const [name, { code, text }] of told("--help")) {
      assert.equal(code, 0, name);
      assert.match(text, new RegExp(`^Usage: npm (run )?${name} -- `, "m"));
      assert.match(text, /^Options:$/m);
      assert.match(text, new RegExp(`^Examples:\\n  (eval "\\$\\()?npm (run )?(-s )?${name}`, "m"));
    }
  });
  void test("a command whose output nobody reads goes on to its end", () => {
    const script = `node cli/run.mjs graph --help | true; exit \${PIPESTATUS[0]}`;
    const { status, stderr } = spawnSync("bash", ["-c", script], { cwd: root, encoding: "utf8" });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  });
  void test("unknown input is refused before anything is done", () => {
    for (const [name, { code, text }] of told("--nonsense")) {
      assert.equal(code, 2, name);
      assert.match(text, new RegExp(`^unknown option '--nonsense'.* Next: npm (run )?${name} -- --help\\n$`, "s"));
    }
  });
  /** A command without a PATH. It can neither prepare a tool nor run a program. */
  const refusalOf = (...words: string[]) =>
    spawnSync(process.execPath, ["cli/run.mjs", ...words], { cwd: root, encoding: "utf8", env: { PATH: "" } });
  for (const words of ["verify X", "heal X", "rotate issuers X", "rebuild X west", "contexts X", "env X"]) {
    void test(`${words}: a stack that does not exist is refused, and none is created`, () => {
      const { status, stderr } = refusalOf(...words.replace("X", "absent").split(" "));
      assert.match(stderr, /^stack absent does not exist.* Next: npm start -- absent\n$/);
      assert.equal(status, 2);
      assert.ok(!fs.existsSync(path.join(root, "Pulumi.absent.yaml")));
    });
  }
  void test("values that pulumi would refuse later are refused", () => {
    assert.match(
      refusalOf("start", "--parallel", "many").stderr,
      /--parallel is "many"; allowed: whole numbers from 1/,
    );
    assert.match(refusalOf("stop", "--target-dependents").stderr, /without --target\. Next: npm stop -- --help/);
  });
  void test("a stack name that does not fit into cluster names is refused before anything is made", () => {
    const { status, stderr } = refusalOf("start", "jane.doe");
    assert.equal(status, 2);
    assert.match(stderr, /^stack is "jane\.doe"; allowed: a-z, 0-9 and -, .* Next: npm start -- <name>/);
    assert.ok(!fs.existsSync(path.join(root, "Pulumi.jane.doe.yaml")));
  });
});

void describe("runtime of a stack", () => {
  void test("comes from its file, or from Pulumi.yaml", () => {
    assert.equal(chooseRuntime("rehearsal"), "kwok");
    assert.equal(chooseRuntime("dev"), "k3d");
    assert.equal(chooseRuntime("nobody-has-this-stack"), "k3d");
  });
  void test("may not contradict a stack's file", () => {
    assert.throws(() => chooseRuntime("rehearsal", "k3d"), /--runtime is k3d, but stack rehearsal has kwok/);
  });
  void test("is one of three", () =>
    assert.throws(() => chooseRuntime("dev", "kind"), /runtime is kind; allowed: kwok, k3d, existing/));
});

void test("the shell gets every value unchanged, and the directories before its PATH", () => {
  const value = `it's "$HOME" \`date\` \\ and\nmore`;
  const script = `${shellExports({ VALUE: value }, ["/a b", "/c'd"])}\nprintf '%s|%s' "$VALUE" "$PATH"`;
  const printed = execFileSync("/bin/sh", ["-c", script], { encoding: "utf8", env: { PATH: "/usr/bin" } });
  assert.equal(printed, `${value}|/a b:/c'd:/usr/bin`);
});

void describe("login", () => {
  const names = ["PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_HOME", "PULUMI_CREDENTIALS_PATH"] as const;
  const home = (name: string, credentials?: string) => {
    const directory = path.join(temporary, name);
    fs.mkdirSync(directory);
    if (credentials !== undefined) fs.writeFileSync(path.join(directory, "credentials.json"), credentials);
    return directory;
  };
  const logins = (name: string, credentials?: object) => home(name, credentials && JSON.stringify(credentials));
  const within = (environment: Partial<Record<(typeof names)[number], string>>, check: () => void) => {
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) delete process.env[name];
    try {
      Object.assign(process.env, environment);
      check();
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  };
  const none = logins("no-login");
  for (const [name, environment, expected] of [
    ["none", { PULUMI_HOME: none }, false],
    ["pulumi login", { PULUMI_HOME: logins("login", { current: "https://api.pulumi.com" }) }, true],
    ["pulumi logout", { PULUMI_HOME: logins("logout", { accounts: {} }) }, false],
    ["an empty credentials file", { PULUMI_HOME: home("empty", "") }, false],
    ["credentials that are null", { PULUMI_HOME: home("null", "null") }, false],
    ["encrypted credentials", { PULUMI_HOME: logins("encrypted", { $pulumiSecureStore: 1, data: "AA==" }) }, true],
    ["PULUMI_BACKEND_URL", { PULUMI_HOME: none, PULUMI_BACKEND_URL: "s3://bucket" }, true],
    ["the default backend, from npm run env", { PULUMI_HOME: none, PULUMI_BACKEND_URL: defaultBackend }, false],
    ["PULUMI_ACCESS_TOKEN", { PULUMI_HOME: none, PULUMI_ACCESS_TOKEN: "pul-x" }, true],
  ] as const) {
    void test(name, () => within(environment, () => assert.equal(hasLogin(), expected)));
  }
  for (const [name, text, reason] of [
    ["no JSON", "{", "Expected property name"],
    ["blank", " ", "Unexpected end of JSON input"],
    ["a list", "[]", "not a JSON object"],
    ["a number", "1", "not a JSON object"],
  ] as const) {
    void test(`credentials that are ${name} never select the default backend`, () => {
      const file = path.join(home(`broken ${name}`, text), "credentials.json");
      within({ PULUMI_HOME: path.dirname(file) }, () =>
        assert.throws(hasLogin, (error) => {
          assert.ok(error instanceof UserError);
          assert.ok(
            error.message.startsWith(`your Pulumi credentials ${file} cannot be read: ${reason}`),
            error.message,
          );
          assert.ok(error.message.endsWith(`Next: rm ${file}, and pulumi login if you use a backend of your own`));
          return true;
        }),
      );
    });
  }
  void test("a credentials file that is a directory never selects the default backend", () => {
    const directory = home("directory");
    fs.mkdirSync(path.join(directory, "credentials.json"));
    within({ PULUMI_HOME: directory }, () => assert.throws(hasLogin, /credentials\.json cannot be read: EISDIR/));
  });
  void test("PULUMI_HOME stays the user's", () =>
    within({ PULUMI_HOME: none }, () => assert.equal(pulumiHome(), none)));
});

void describe("plugins in the engine's own directory", () => {
  const tls = { name: "tls", version: "v5.6.1" };
  const home = path.join(temporary, "pulumi-home");
  const program = path.join(temporary, "stand-in", "pulumi-resource-tls");
  const directory = path.join(home, "plugins", "resource-tls-v5.6.1");
  fs.mkdirSync(path.dirname(program), { recursive: true });
  fs.writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  const clear = () => fs.rmSync(path.join(home, "plugins"), { recursive: true, force: true });

  void test("are links to built ones, do not count as downloads, and make way for one", () => {
    clear();
    assert.equal(linkPlugin(home, tls, path.dirname(program)), true);
    assert.equal(linkPlugin(home, tls, path.dirname(program)), true);
    assert.deepEqual(fs.readdirSync(directory), ["pulumi-resource-tls"]);
    assert.equal(fs.realpathSync(path.join(directory, "pulumi-resource-tls")), fs.realpathSync(program));
    assert.deepEqual(linkedDirectories(home), [fs.realpathSync(path.dirname(program))]);
    assert.equal(isDownloaded(home, tls), false);
    unlinkPlugin(home, tls);
    assert.equal(fs.existsSync(directory), false);
  });
  void test("a downloaded one stays", () => {
    clear();
    fs.mkdirSync(directory, { recursive: true });
    fs.copyFileSync(program, path.join(directory, "pulumi-resource-tls"));
    assert.equal(isDownloaded(home, tls), true);
    unlinkPlugin(home, tls);
    assert.equal(isDownloaded(home, tls), true);
  });
  void test("the user's plugins are left alone", () => {
    clear();
    const users = path.join(temporary, "users-plugins");
    fs.mkdirSync(users);
    fs.symlinkSync(users, path.join(home, "plugins"));
    assert.equal(linkPlugin(home, tls, path.dirname(program)), false);
    assert.deepEqual(fs.readdirSync(users), []);
  });
});

void describe("downloads", () => {
  const archive = path.join(temporary, "tool.tar.gz");
  fs.mkdirSync(path.join(temporary, "pack", "bin"), { recursive: true });
  fs.writeFileSync(path.join(temporary, "pack", "bin", "tool"), "#!/bin/sh\necho v1.0.0\n");
  execFileSync("tar", ["-czf", archive, "-C", path.join(temporary, "pack"), "bin"]);
  const sum = createHash("sha256").update(fs.readFileSync(archive)).digest("hex");
  const files: Record<string, string | Buffer> = {
    "/tool.tar.gz": fs.readFileSync(archive),
    "/right": `${"0".repeat(64)}  other.tar.gz\n${sum}  _dist/tool.tar.gz\n`,
    "/wrong": `${"0".repeat(64)}  tool.tar.gz\n`,
    "/lacking": `${sum}  other.tar.gz\n`,
  };
  const server = http.createServer((request, response) => {
    const file = files[request.url ?? ""];
    response.writeHead(file ? 200 : 404).end(file);
  });
  const tool = async (file: string, checksums: string): Promise<Tool> => {
    if (!server.listening) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return {
      name: "tool",
      version: "v1.0.0",
      programs: ["tool"],
      download: () => ({ urls: [`${base}${file}`], checksums: `${base}${checksums}` }),
      modules: [],
    };
  };
  after(() => server.close());

  void test("are unpacked when their checksum is right", async () => {
    const directory = await download(await tool("/tool.tar.gz", "/right"), path.join(temporary, "right", "tool"));
    assert.equal(execFileSync(path.join(directory, "tool"), { encoding: "utf8" }), "v1.0.0\n");
    assert.deepEqual(fs.readdirSync(directory), ["tool"]);
  });
  for (const [name, file, checksums, message] of [
    ["a wrong checksum", "/tool.tar.gz", "/wrong", /tool\.tar\.gz has SHA-256 .*, its publisher says 0000/],
    ["no checksum of that name", "/tool.tar.gz", "/lacking", /its publisher says nothing/],
    ["no such file", "/gone.tar.gz", "/right", /gone\.tar\.gz answers 404/],
  ] as const) {
    void test(`are refused with ${name}`, async () => {
      const directory = path.join(temporary, path.basename(name), "tool");
      await assert.rejects(download(await tool(file, checksums), directory), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        return true;
      });
      assert.ok(!fs.existsSync(directory));
    });
  }
});

void test("exclusive work runs one after the other", async () => {
  const order: string[] = [];
  const step = (name: string) =>
    exclusively(path.join(temporary, "locked"), async () => {
      order.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push(`${name} ends`);
    });
  await Promise.all([step("a"), step("b")]);
  const [first, second] = order[0] === "a begins" ? ["a", "b"] : ["b", "a"];
  assert.deepEqual(order, [`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`]);
});

void describe("the recorded event log", () => {
  void test("contains no values", () => {
    const state = { urn: "urn:x", inputs: { key: "secret" }, outputs: { key: "secret" } };
    const event = {
      sequence: 3,
      resOutputsEvent: { metadata: { op: "create", urn: "urn:x", old: state, new: state } },
    };
    assert.deepEqual(JSON.parse(withoutValues(event, 7) ?? ""), {
      received: 7,
      sequence: 3,
      resOutputsEvent: { metadata: { op: "create", urn: "urn:x", old: { urn: "urn:x" }, new: { urn: "urn:x" } } },
    });
  });
  void test("contains no messages, because the SDK's debug messages contain private keys", () => {
    const event = { sequence: 1, diagnosticEvent: { severity: "debug", message: "-----BEGIN EC PRIVATE KEY-----" } };
    assert.equal(withoutValues(event, 0), undefined);
  });
});

void test("a child's exit code and signal come through", async () => {
  assert.equal(await run("/bin/sh", ["-c", "exit 3"]), 3);
  assert.equal(await run("/bin/sh", ["-c", "kill -TERM $$"]), 143);
});

void test("the summary of an up shows the status and the next commands", () => {
  const { stack, status, facts } = sampleMesh();
  const text = describeStack(stack, status(), 12);
  const [request = ""] = stack.curl ?? [];
  for (const expected of ["Stack dev is up after 12 s.", "k3d-east", "nginx-svc-west", request, "npm stop -- dev"]) {
    assert.ok(text.includes(expected), expected);
  }
  for (const name of ["east", "west"]) facts(name).isSimulated = true;
  const simulated = describeStack(stack, status(), 12);
  assert.match(simulated, /no service is mirrored, and no traffic flows/);
  // It would fail: nothing is mirrored there.
  assert.ok(!simulated.includes(request));
});
