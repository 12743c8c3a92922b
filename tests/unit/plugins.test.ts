// The provider stand-ins of offline/plugins, started as the engine starts them, over the provider protocol. OpenSSL and
// Node judge the certificates; commands are judged by their effects.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { X509Certificate, createPrivateKey, createPublicKey } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { type Properties, UNKNOWN, differences, isSecret, plain, secret } from "../../offline/plugins/properties";

const PLUGINS = resolve(__dirname, "../../offline/plugins");
const directory = mkdtempSync(join(tmpdir(), "plugins-test-"));
const running: ChildProcess[] = [];
const logged: LogRequest[] = [];
const engine = new grpc.Server();
let engineAddress = "";

before(async () => {
  engine.addService(EngineService, {
    log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, done: grpc.sendUnaryData<Empty>) => {
      logged.push(call.request);
      done(null, new Empty());
    },
  });
  const port = await new Promise<number>((done, failed) =>
    engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? failed(error) : done(bound),
    ),
  );
  engineAddress = `127.0.0.1:${port}`;
});
after(() => {
  for (const child of running) child.kill();
  engine.forceShutdown();
  rmSync(directory, { recursive: true });
});

/** Starts a plugin as the engine does: by a link on PATH, in a directory outside this project. */
async function start(name: string) {
  const link = join(directory, `${name}-${running.length}`);
  symlinkSync(join(PLUGINS, name), link);
  const child = spawn(link, [engineAddress], { cwd: directory, stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  const [port] = (await once(createInterface(child.stdout), "line")) as [string];
  const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());

  const call = <Request, Response>(
    method: (request: Request, done: (error: grpc.ServiceError | null, response: Response) => void) => unknown,
    request: Request,
  ) =>
    new Promise<Response>((done, failed) =>
      method.call(client, request, (error, response) => (error ? failed(new Error(error.details)) : done(response))),
    );
  const values = (given: Properties) => Struct.fromJavaScript(given);
  const back = (given: Struct | undefined): Properties => given?.toJavaScript() ?? {};
  const urn = (type: string) => `urn:pulumi:dev::mesh::mesh:index:Parent$${type}::one`;

  return {
    client,
    async version() {
      return (await call<Empty, { getVersion(): string }>(client.getPluginInfo.bind(client), new Empty())).getVersion();
    },
    async check(type: string, inputs: Properties) {
      const request = new pb.CheckRequest().setUrn(urn(type)).setNews(values(inputs));
      const response = await call<pb.CheckRequest, pb.CheckResponse>(client.check.bind(client), request);
      return response.getFailuresList().map((failure) => failure.getReason());
    },
    async diff(type: string, state: Properties, oldInputs: Properties, inputs: Properties) {
      const request = new pb.DiffRequest().setUrn(urn(type)).setOlds(values(state)).setNews(values(inputs));
      request.setOldInputs(values(oldInputs));
      const response = await call<pb.DiffRequest, pb.DiffResponse>(client.diff.bind(client), request);
      return {
        some: response.getChanges() === pb.DiffResponse.DiffChanges.DIFF_SOME,
        paths: response
          .getDetaileddiffMap()
          .toArray()
          .map(([path]) => path),
        replaces: response.getReplacesList(),
      };
    },
    async create(type: string, inputs: Properties, { preview = false, timeout = 0 } = {}) {
      const request = new pb.CreateRequest().setUrn(urn(type)).setProperties(values(inputs));
      request.setPreview(preview).setTimeout(timeout);
      const response = await call<pb.CreateRequest, pb.CreateResponse>(client.create.bind(client), request);
      return { id: response.getId(), state: back(response.getProperties()) };
    },
    async update(type: string, state: Properties, inputs: Properties, preview = false) {
      const request = new pb.UpdateRequest().setUrn(urn(type)).setOlds(values(state)).setNews(values(inputs));
      request.setPreview(preview);
      const response = await call<pb.UpdateRequest, pb.UpdateResponse>(client.update.bind(client), request);
      return back(response.getProperties());
    },
    async delete(type: string, state: Properties) {
      const request = new pb.DeleteRequest().setUrn(urn(type)).setProperties(values(state));
      await call<pb.DeleteRequest, Empty>(client.delete.bind(client), request);
    },
    async read(type: string, state: Properties) {
      const request = new pb.ReadRequest().setUrn(urn(type)).setId("1").setProperties(values(state));
      const response = await call<pb.ReadRequest, pb.ReadResponse>(client.read.bind(client), request);
      return back(response.getProperties());
    },
    async cancel() {
      await call<Empty, Empty>(client.cancel.bind(client), new Empty());
    },
  };
}
type Plugin = Awaited<ReturnType<typeof start>>;

test("differences go down to leaves, and no further than a secret", () => {
  const changes = differences(
    { same: [1], map: { a: "1", gone: "x" }, list: ["a"], hidden: secret({ a: 1 }) },
    { same: [1], map: { a: "2" }, list: ["a", "b"], hidden: secret({ a: 2 }) },
    (property) => property === "list",
  );
  assert.deepEqual(changes, [
    { path: ["map", "a"], kind: "update", replace: false },
    { path: ["map", "gone"], kind: "delete", replace: false },
    { path: ["list", 1], kind: "add", replace: true },
    { path: ["hidden"], kind: "update", replace: false },
  ]);
});

describe("tls", () => {
  const KEY = "tls:index/privateKey:PrivateKey";
  const REQUEST = "tls:index/certRequest:CertRequest";
  const SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert";
  const SIGNED = "tls:index/locallySignedCert:LocallySignedCert";
  const anchor = {
    subject: { commonName: "root.linkerd.cluster.local", organization: "Müller & Co" },
    allowedUses: ["cert_signing", "crl_signing"],
    validityPeriodHours: 24,
    isCaCertificate: true,
    setSubjectKeyId: true,
    setAuthorityKeyId: true,
  };
  let plugin: Plugin;
  before(async () => void (plugin = await start("pulumi-resource-tls")));

  const openssl = (...args: string[]) => execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
  const file = (name: string, content: unknown) => {
    writeFileSync(join(directory, name), String(content));
    return join(directory, name);
  };
  const key = async (inputs: Properties = { algorithm: "ECDSA", ecdsaCurve: "P256" }) =>
    plain((await plugin.create(KEY, inputs)).state) as Record<string, string>;
  const ca = async (more: Properties = {}, privateKey?: Record<string, string>) => {
    const inputs = { ...anchor, privateKeyPem: secret((privateKey ?? (await key())).privateKeyPem ?? ""), ...more };
    return { inputs, ...(await plugin.create(SELF_SIGNED, inputs)) };
  };

  const KINDS: Properties[] = [
    { algorithm: "ECDSA", ecdsaCurve: "P224" },
    { algorithm: "ECDSA", ecdsaCurve: "P256" },
    { algorithm: "ECDSA", ecdsaCurve: "P384" },
    { algorithm: "ECDSA", ecdsaCurve: "P521" },
    { algorithm: "RSA" },
    { algorithm: "ED25519" },
  ];
  for (const kind of KINDS) {
    test(`OpenSSL accepts anchor, issuer and leaf of ${kind.algorithm as string} ${(kind.ecdsaCurve ?? "") as string}`, async () => {
      const caKey = await key(kind);
      const root = await ca({}, caKey);
      const rootPem = root.state.certPem as string;
      assert.equal(root.state.keyAlgorithm, kind.algorithm);

      const sign = async (
        caCertPem: string,
        caPrivateKeyPem: string,
        uses: string[],
        names: Properties,
        isCa: boolean,
      ) => {
        const own = await key(kind);
        const request = await plugin.create(REQUEST, { privateKeyPem: own.privateKeyPem ?? "", ...names });
        openssl("req", "-verify", "-noout", "-in", file("request.pem", request.state.certRequestPem));
        const { state, id } = await plugin.create(SIGNED, {
          certRequestPem: request.state.certRequestPem ?? "",
          caCertPem,
          caPrivateKeyPem,
          allowedUses: uses,
          validityPeriodHours: 12,
          isCaCertificate: isCa,
        });
        return { own, state, id, pem: state.certPem as string };
      };
      const issuerName = { subject: { commonName: "identity.linkerd.cluster.local" } };
      const issuer = await sign(rootPem, caKey.privateKeyPem ?? "", ["cert_signing", "crl_signing"], issuerName, true);
      const leaf = await sign(
        issuer.pem,
        issuer.own.privateKeyPem ?? "",
        ["server_auth", "client_auth", "digital_signature"],
        {
          subject: { commonName: "injector", streetAddresses: ["b 2", "a 1"], emailAddress: "a@b.c" },
          dnsNames: ["linkerd-proxy-injector.linkerd.svc"],
          ipAddresses: ["10.0.0.1", "fd00::1:2"],
          uris: ["spiffe://root.linkerd.cluster.local/x"],
        },
        false,
      );

      const paths = ["-CAfile", file("root.pem", rootPem), "-untrusted", file("issuer.pem", issuer.pem)];
      const host = ["-purpose", "sslserver", "-verify_hostname", "linkerd-proxy-injector.linkerd.svc"];
      assert.match(openssl("verify", "-x509_strict", ...paths, ...host, file("leaf.pem", leaf.pem)), /: OK\n$/);

      const [rootCert, issuerCert, leafCert] = [rootPem, issuer.pem, leaf.pem].map((it) => new X509Certificate(it)) as [
        X509Certificate,
        X509Certificate,
        X509Certificate,
      ];
      assert.ok(rootCert.ca && issuerCert.ca && !leafCert.ca);
      assert.ok(issuerCert.checkIssued(rootCert) && leafCert.checkIssued(issuerCert));
      assert.ok(leafCert.checkPrivateKey(createPrivateKey(leaf.own.privateKeyPemPkcs8 ?? "")));
      assert.ok(createPublicKey(leaf.own.publicKeyPem ?? "").equals(leafCert.publicKey));
      assert.equal(BigInt(`0x${leafCert.serialNumber}`).toString(), leaf.id);
      assert.equal(
        leafCert.subjectAltName,
        "DNS:linkerd-proxy-injector.linkerd.svc, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:1:2, URI:spiffe://root.linkerd.cluster.local/x",
      );
      // Go drops the e-mail address of a request's name, and writes several values of a part as one set.
      assert.equal(leafCert.subject, "street=a 1 + street=b 2\nCN=injector");
      assert.equal(rootCert.subject, "O=Müller & Co\nCN=root.linkerd.cluster.local");
      const text = openssl("x509", "-noout", "-text", "-in", join(directory, "root.pem"));
      assert.match(text, /X509v3 Key Usage: critical\n\s+Certificate Sign, CRL Sign\n/);
      // The last two of seven bits: DER omits trailing zero bits, as Go does.
      assert.ok(rootCert.raw.includes(Buffer.from("03020106", "hex")));
      assert.match(text, /X509v3 Basic Constraints: critical\n\s+CA:TRUE\n/);
      const [subjectKey, authorityKey] = ["Subject", "Authority"].map(
        (whose) => new RegExp(`X509v3 ${whose} Key Identifier: *\\n\\s+(?:keyid:)?([0-9A-F:]+)\\n`).exec(text)?.[1],
      );
      assert.ok(subjectKey);
      assert.equal(subjectKey, authorityKey);
    });
  }

  test("a private key has the provider's defaults, and its private forms are secret", async () => {
    const { state, id } = await plugin.create(KEY, { algorithm: "ED25519" });
    assert.equal(state.rsaBits, 2048);
    assert.equal(state.ecdsaCurve, "P224");
    assert.match(id, /^[0-9a-f]{40}$/);
    const secrets = Object.keys(state).filter((name) => isSecret(state[name]));
    assert.deepEqual(secrets.sort(), ["privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"]);
    assert.match(state.publicKeyOpenssh as string, /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/=]+\n$/);
    assert.match(state.publicKeyFingerprintSha256 as string, /^SHA256:[A-Za-z0-9+/]{43}$/);
    assert.match(state.publicKeyFingerprintMd5 as string, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    const ec = await key();
    assert.match(ec.privateKeyPem ?? "", /^-----BEGIN EC PRIVATE KEY-----\n/);
    assert.match(ec.privateKeyPemPkcs8 ?? "", /^-----BEGIN PRIVATE KEY-----\n/);
    assert.match((await key({ algorithm: "RSA" })).privateKeyPem ?? "", /^-----BEGIN RSA PRIVATE KEY-----\n/);
  });

  test("secrets of a certificate: the key always, any other property if its input is secret", async () => {
    const { state } = await ca({ dnsNames: secret(["a.b"]), privateKeyPem: (await key()).privateKeyPem ?? "" });
    const secrets = Object.keys(state).filter((name) => isSecret(state[name]));
    assert.deepEqual(secrets.sort(), ["dnsNames", "privateKeyPem"]);
    assert.equal(state.readyForRenewal, false);
    assert.equal(state.earlyRenewalHours, 0);
  });

  test("every allowed use reaches the certificate", async () => {
    const allowedUses = ["decipher_only", "key_agreement", "content_commitment", "code_signing", "ocsp_signing"];
    const { state } = await ca({ allowedUses });
    const text = openssl("x509", "-noout", "-text", "-in", file("uses.pem", state.certPem));
    assert.match(text, /Key Usage: critical\n\s+Non Repudiation, Key Agreement, Decipher Only\n/);
    assert.match(text, /Extended Key Usage: *\n\s+Code Signing, OCSP Signing\n/);
  });

  test("a path length is written when it is more than 0", async () => {
    const constraints = async (maxPathLength: number) => {
      const { state } = await ca({ maxPathLength });
      return /CA:TRUE.*/.exec(openssl("x509", "-noout", "-text", "-in", file("path.pem", state.certPem)))?.[0];
    };
    assert.equal(await constraints(2), "CA:TRUE, pathlen:2");
    assert.equal(await constraints(0), "CA:TRUE");
    await assert.rejects(
      ca({ maxPathLength: 1, isCaCertificate: false }),
      /only CAs are allowed to specify MaxPathLen/,
    );
  });

  test("times are the certificate's, past 2050 too", async () => {
    const { state } = await ca({ validityPeriodHours: 24 * 365 * 40 });
    const certificate = new X509Certificate(state.certPem as string);
    const seconds = (time: string) => Math.floor(Date.parse(time) / 1000);
    assert.equal(seconds(certificate.validFrom), seconds(state.validityStartTime as string));
    assert.equal(seconds(certificate.validTo), seconds(state.validityEndTime as string));
    assert.ok(new Date(certificate.validTo).getUTCFullYear() > 2050);
  });

  test("bad inputs are refused by name, unknown ones are waited for", async () => {
    const check = (inputs: Properties) => plugin.check(SELF_SIGNED, inputs);
    const good = { ...anchor, privateKeyPem: UNKNOWN };
    assert.deepEqual(await check(good), []);
    assert.deepEqual(await check({ ...good, allowedUses: UNKNOWN, validityPeriodHours: UNKNOWN }), []);
    assert.deepEqual(await check({ ...anchor }), ["privateKeyPem is required"]);
    assert.match(
      (await check({ ...good, allowedUses: ["certSigning"] })).join(),
      /allowedUses .*cert_signing.*"certSigning"/,
    );
    assert.match((await check({ ...good, validityPeriodHours: -1 })).join(), /validityPeriodHours .* at least 0.* -1/);
    assert.match((await check({ ...good, privateKeyPemWo: "x" })).join(), /privateKeyPemWo is not served/);
    assert.match(
      (await plugin.check(KEY, { algorithm: "DSA" })).join(),
      /algorithm must be one of RSA, ECDSA, ED25519/,
    );
  });

  test("creation fails with the reason", async () => {
    await assert.rejects(ca({ subject: {} }), /Must contain at least one Distinguished Name/);
    await assert.rejects(
      ca({ isCaCertificate: false, setSubjectKeyId: false }),
      /Could not determine Authority Key Identifier/,
    );
    await assert.rejects(ca({ ipAddresses: ["10.0.0"] }), /Invalid IP address: Failed to parse "10.0.0"/);
    await assert.rejects(ca({ privateKeyPem: "no key" }), /Failed to parse private key PEM/);
    const request = await plugin.create(REQUEST, { privateKeyPem: (await key()).privateKeyPem ?? "" });
    const signing = {
      certRequestPem: request.state.certRequestPem ?? "",
      caCertPem: (await ca()).state.certPem ?? "",
      caPrivateKeyPem: (await key()).privateKeyPem ?? "",
      allowedUses: [],
      validityPeriodHours: 1,
    };
    await assert.rejects(plugin.create(SIGNED, signing), /provided PrivateKey doesn't match parent's PublicKey/);
    await assert.rejects(plugin.create(SIGNED, { ...signing, certRequestPem: "x" }), /no CERTIFICATE REQUEST block/);
  });

  test("every input replaces, except the early renewal hours, which update", async () => {
    const { inputs, state } = await ca();
    const diff = (more: Properties) => plugin.diff(SELF_SIGNED, state, inputs, { ...inputs, ...more });
    assert.equal((await diff({})).some, false);
    assert.equal((await diff({ earlyRenewalHours: 0, maxPathLength: -1 })).some, true);
    assert.deepEqual((await diff({ validityPeriodHours: 25 })).replaces, ["validityPeriodHours"]);
    assert.deepEqual((await diff({ privateKeyPem: UNKNOWN })).replaces, ["privateKeyPem"]);
    assert.deepEqual((await diff({ subject: { commonName: "other" } })).replaces, ["subject"]);
    const early = await diff({ earlyRenewalHours: 1 });
    assert.deepEqual(early, { some: true, paths: ["earlyRenewalHours"], replaces: [] });
    const updated = await plugin.update(SELF_SIGNED, state, { ...inputs, earlyRenewalHours: 1 });
    assert.deepEqual(updated, { ...state, earlyRenewalHours: 1 });

    const limited = await ca({ maxPathLength: 1 });
    const without: Properties = { ...limited.inputs };
    delete without.maxPathLength;
    assert.equal((await plugin.diff(SELF_SIGNED, limited.state, limited.inputs, without)).some, false);
  });

  test("an expired certificate, or one in its early renewal hours, is replaced by the next update", async () => {
    const { inputs, state } = await ca();
    const ended = { ...state, validityEndTime: new Date(Date.now() - 1000).toISOString() };
    assert.deepEqual(await plugin.diff(SELF_SIGNED, ended, inputs, inputs), {
      some: true,
      paths: ["readyForRenewal"],
      replaces: ["readyForRenewal"],
    });
    assert.equal((await plugin.read(SELF_SIGNED, ended)).readyForRenewal, true);
    assert.deepEqual(await plugin.read(SELF_SIGNED, state), state);
    const early = { ...inputs, earlyRenewalHours: 24 };
    assert.deepEqual((await plugin.diff(SELF_SIGNED, state, inputs, early)).replaces, ["readyForRenewal"]);
    assert.equal((await plugin.create(SELF_SIGNED, early)).state.readyForRenewal, true);
  });

  test("a preview leaves unknown what only creation can know", async () => {
    const { state } = await plugin.create(SELF_SIGNED, { ...anchor, privateKeyPem: UNKNOWN }, { preview: true });
    const unknown = Object.keys(state).filter((name) => plain(state[name] ?? null) === UNKNOWN);
    assert.deepEqual(unknown.sort(), [
      "certPem",
      "keyAlgorithm",
      "maxPathLength",
      "privateKeyPem",
      "validityEndTime",
      "validityStartTime",
    ]);
    assert.ok(isSecret(state.privateKeyPem));
    assert.equal(state.readyForRenewal, false);
    const { state: keyState } = await plugin.create(KEY, { algorithm: "ECDSA" }, { preview: true });
    assert.ok(isSecret(keyState.privateKeyPem) && plain(keyState.privateKeyPem ?? null) === UNKNOWN);
    assert.equal(keyState.publicKeyPem, UNKNOWN);
  });

  test("the refusal of an unknown type names it and the known ones", async () => {
    await assert.rejects(
      plugin.create("tls:index/other:Other", {}),
      /tls:index\/other:Other is not served.*PrivateKey/,
    );
  });
});

describe("command", () => {
  const COMMAND = "command:local:Command";
  let plugin: Plugin;
  before(async () => void (plugin = await start("pulumi-resource-command")));

  test("it reports the version of the SDK beside it", async () => {
    const { version } = JSON.parse(
      readFileSync(resolve(__dirname, "../../node_modules/@pulumi/command/package.json"), "utf8"),
    ) as { version: string };
    assert.equal(await plugin.version(), version);
  });

  test("create runs with its environment, directory, input and interpreter", async () => {
    const { id, state } = await plugin.create(COMMAND, {
      create: 'cat; pwd; echo "$GREETING" >&2; echo; echo',
      dir: directory,
      stdin: "given\n",
      environment: secret({ GREETING: "hello" }),
    });
    assert.match(id, /^one[0-9a-f]{8}$/);
    // One newline is cut off the end, not all of them.
    assert.equal(state.stdout, `given\n${directory}\n\n`);
    assert.equal(state.stderr, "hello");
    assert.deepEqual(state.environment, secret({ GREETING: "hello" }));
    const node = await plugin.create(COMMAND, { create: "console.log(1 + 1)", interpreter: ["node", "-e"] });
    assert.equal(node.state.stdout, "2");
    const none = await plugin.create(COMMAND, { delete: "true" });
    assert.deepEqual([none.state.stdout, none.state.stderr], ["", ""]);
  });

  test("without a directory it runs where the engine runs; without input it reads nothing", async () => {
    const { state } = await plugin.create(COMMAND, { create: "pwd; cat" });
    assert.equal(state.stdout, directory);
  });

  test("a failure gives the exit status, the command and all it printed", async () => {
    const failure = (inputs: Properties) =>
      plugin.create(COMMAND, inputs).then(
        () => assert.fail("it did not fail"),
        (error: Error) => error.message,
      );
    const line = 'echo "to out"; echo to err >&2; exit 3';
    assert.equal(await failure({ create: line }), `exit status 3: running ${JSON.stringify(line)}:\nto out\nto err\n`);
    assert.equal(await failure({ create: "kill -TERM $$" }), 'signal: terminated: running "kill -TERM $$":\n');
    const nowhere = join(directory, "nowhere");
    assert.equal(
      await failure({ create: "true", dir: nowhere }),
      `chdir ${nowhere}: no such file or directory: running "true":\n`,
    );
    assert.match(
      await failure({ create: "true", interpreter: ["no-such-program"] }),
      /no-such-program.*: running "true"/,
    );
  });

  test("update runs update, else create; both and delete get the previous output", async () => {
    const print = 'echo "$PULUMI_COMMAND_STDOUT/$PULUMI_COMMAND_STDERR"';
    const { state } = await plugin.create(COMMAND, { create: `${print}; echo err >&2` });
    assert.equal(state.stdout, "/");
    assert.equal((await plugin.update(COMMAND, state, { create: `${print} again` })).stdout, "//err again");
    assert.equal((await plugin.update(COMMAND, state, { create: "false", update: print })).stdout, "//err");
    const quiet = { create: "false", update: print, addPreviousOutputInEnv: false };
    assert.equal((await plugin.update(COMMAND, state, quiet)).stdout, "/");
    assert.equal((await plugin.update(COMMAND, state, { delete: "true" })).stdout, "/");

    const kept = join(directory, "deleted");
    await plugin.delete(COMMAND, { ...state, delete: `${print} > "$KEPT"`, environment: { KEPT: kept } });
    assert.equal(readFileSync(kept, "utf8"), "//err\n");
    await assert.rejects(plugin.delete(COMMAND, { delete: "exit 4" }), /^Error: exit status 4: running "exit 4"/);
    await plugin.delete(COMMAND, { create: "false" });
  });

  test("triggers replace, other inputs update, the engine's own are ignored", async () => {
    const inputs = { create: "true", triggers: [1, "a"], environment: { "a.b": "1" } };
    const diff = (more: Properties) => plugin.diff(COMMAND, {}, inputs, { ...inputs, ...more });
    assert.deepEqual(await diff({ __internal: "1", version: "1.2.1" }), { some: false, paths: [], replaces: [] });
    assert.deepEqual(await diff({ triggers: [1, "b"] }), {
      some: true,
      paths: ["triggers[1]"],
      replaces: ["triggers"],
    });
    assert.deepEqual(await diff({ environment: { "a.b": UNKNOWN } }), {
      some: true,
      paths: ['environment["a.b"]'],
      replaces: [],
    });
    assert.deepEqual(await diff({ delete: "true" }), { some: true, paths: ["delete"], replaces: [] });
  });

  test("a preview runs nothing, and knows only what cannot change", async () => {
    const touched = join(directory, "touched");
    const inputs = { create: `touch ${touched}` };
    const { state } = await plugin.create(COMMAND, inputs, { preview: true });
    assert.deepEqual(state, { ...inputs, stdout: UNKNOWN, stderr: UNKNOWN });
    const made = { create: "true", stdout: "before", stderr: "" };
    assert.equal((await plugin.update(COMMAND, made, inputs, true)).stdout, UNKNOWN);
    assert.equal((await plugin.update(COMMAND, made, { create: "true", delete: "true" }, true)).stdout, "before");
    assert.ok(!existsSync(touched));
  });

  test("logging chooses what reaches the engine's log, line by line", async () => {
    const create = "echo out; echo err >&2; sleep 0.1; printf 'half'; sleep 0.1; printf ' line'";
    const lines = async (logging?: string) => {
      logged.length = 0;
      await plugin.create(COMMAND, logging === undefined ? { create } : { create, logging });
      assert.ok(logged.every((request) => request.getEphemeral() && request.getUrn().endsWith("::one")));
      return logged.map((request) => request.getMessage()).sort();
    };
    assert.deepEqual(await lines(), ["err", "half line", "out"]);
    assert.deepEqual(await lines("stdoutAndStderr"), ["err", "half line", "out"]);
    assert.deepEqual(await lines("stdout"), ["half line", "out"]);
    assert.deepEqual(await lines("stderr"), ["err"]);
    assert.deepEqual(await lines("none"), []);
  });

  test("inputs of a wrong type and unknown inputs are refused", async () => {
    const check = async (inputs: Properties) => (await plugin.check(COMMAND, inputs)).join();
    assert.equal(await check({ create: secret("x"), environment: { A: UNKNOWN }, triggers: [{ a: 1 }] }), "");
    assert.match(await check({ archivePaths: ["*"] }), /archivePaths is not served by this stand-in/);
    assert.match(await check({ assetPaths: ["*"] }), /assetPaths is not served by this stand-in/);
    assert.match(await check({ environment: { PORT: 6440 } }), /environment must be a map of strings.*6440/);
  });

  test("a custom timeout and the engine's Cancel end what runs, and nothing runs after a Cancel", async () => {
    const own = await start("pulumi-resource-command");
    const late = own.create(COMMAND, { create: "exec sleep 60" }, { timeout: 0.2 });
    await assert.rejects(late, /^Error: signal: killed: running "exec sleep 60":/);
    const started = join(directory, "started");
    const cancelled = own.create(COMMAND, { create: `touch ${started}; exec sleep 60` });
    const failure = assert.rejects(cancelled, /^Error: signal: killed/);
    while (!existsSync(started)) await new Promise((done) => setTimeout(done, 20));
    await own.cancel();
    await failure;
    await assert.rejects(own.create(COMMAND, { create: "true" }), /^Error: context canceled: running "true":/);
  });
});
