/**
 * The components in programs of others: the schema that the engine reads from the package, and updates of
 * examples/typescript and examples/yaml.
 *
 * Real engine, YAML language host, kubernetes provider and API servers on kwok. The package runs as an executable on PATH:
 * the Node.js language host that can be built offline cannot start a plugin by its PulumiPlugin.yaml.
 * tests/unit/package.test.ts starts it as a current host does. Charts, tls and command provider are the stand-ins of
 * offline/.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { whichProgram } from "../../lib/files";
import { root } from "../../lib/paths";
import { build } from "../../offline/tools/build";
import { Api } from "../lib/api";
import { createKwok, type KwokCluster } from "../lib/kwok";
import { createHome, type StateResource } from "../lib/stack";

const execute = promisify(execFile);
const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "package-test-")));
const home = createHome();
const clusters: KwokCluster[] = [];
let environment: NodeJS.ProcessEnv;

before(async () => {
  const bin = path.join(scratch, "bin");
  fs.mkdirSync(bin);
  const plugin = `#!/usr/bin/env node\nrequire(${JSON.stringify(path.join(root, "plugin/main.cjs"))});\n`;
  fs.writeFileSync(path.join(bin, "pulumi-resource-mesh"), plugin, { mode: 0o755 });
  const yamlHost = (await whichProgram("pulumi-language-yaml")) ? [] : await build(["language-yaml"]);
  environment = {
    ...process.env,
    HOME: home.directory,
    PULUMI_HOME: path.join(home.directory, ".pulumi"),
    PULUMI_BACKEND_URL: `file://${scratch}`,
    PULUMI_CONFIG_PASSPHRASE: "of a test",
    MESH_CHART_DIRECTORY: "offline/charts",
    PATH: [bin, ...yamlHost, process.env.PATH].join(path.delimiter),
  };
  clusters.push(await createKwok("package-east"), await createKwok("package-west"));
});

after(async () => {
  await Promise.all(clusters.map((cluster) => cluster.delete()));
  fs.rmSync(scratch, { recursive: true });
  home.remove();
});

/** A copy of an example, in a directory that is not the package's, and a stack of it. */
class Example {
  readonly directory: string;

  constructor(
    name: string,
    private readonly secrets: Record<string, string | undefined> = {},
  ) {
    this.directory = path.join(scratch, name);
    fs.mkdirSync(this.directory);
    const source = path.join(root, "examples", name);
    if (fs.existsSync(source)) fs.cpSync(source, this.directory, { recursive: true });
  }

  edit(file: string, change: (text: string) => string): void {
    const edited = path.join(this.directory, file);
    fs.writeFileSync(edited, change(fs.readFileSync(edited, "utf8")));
  }

  async pulumi(...args: string[]): Promise<string> {
    const options = { cwd: this.directory, env: environment, maxBuffer: 1 << 28 };
    try {
      return (await execute("pulumi", ["--non-interactive", ...args], options)).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`pulumi ${args[0]} fails:\n${stdout}\n${stderr}`, { cause: error });
    }
  }

  /** Updates, and asserts that a second preview changes nothing. */
  async up(): Promise<StateResource[]> {
    await this.pulumi("stack", "select", "--create", "test");
    for (const [key, value = ""] of Object.entries(this.secrets)) await this.pulumi("config", "set", "--secret", key, value); // prettier-ignore
    await this.pulumi("up", "--yes", "--skip-preview");
    await this.pulumi("preview", "--expect-no-changes");
    const state = JSON.parse(await this.pulumi("stack", "export")) as { deployment: { resources: StateResource[] } };
    return state.deployment.resources;
  }
}

const named = (state: StateResource[], type: string) =>
  state.filter((resource) => resource.type === type).map(({ urn }) => urn.split("::").at(-1)).sort(); // prettier-ignore

/** On simulated pods no webhook answers. */
const ignoring = (text: string) =>
  text
    .replace("issuer: anchor.issuer(", 'webhookFailurePolicy: "Ignore", issuer: anchor.issuer(')
    .replaceAll(/( +)issuer: \$\{anchor/g, "$1webhookFailurePolicy: Ignore\n$&");

test("the engine reads the schema of plugin/schema.json", async () => {
  const committed = fs.readFileSync(path.join(root, "plugin/schema.json"), "utf8");
  const options = { cwd: scratch, env: environment, maxBuffer: 1 << 28 };
  const executable = path.join(scratch, "bin/pulumi-resource-mesh");
  const { stdout } = await execute("pulumi", ["package", "get-schema", executable], options);
  const read = JSON.parse(stdout) as { resources: object; types: object };
  const wrote = JSON.parse(committed) as { resources: object; types: object };
  assert.deepEqual(withoutEmpty(read.resources), withoutEmpty(wrote.resources));
  assert.deepEqual(withoutEmpty(read.types), withoutEmpty(wrote.types));
});

/** The engine leaves out empty lists and mappings. */
function withoutEmpty(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, inner: unknown) => (isEmpty(inner) ? undefined : inner)));
}
const isEmpty = (value: unknown) => typeof value === "object" && value !== null && Object.keys(value).length === 0;

test("examples/typescript installs Linkerd in one cluster", async () => {
  const example = new Example("typescript", { kubeconfig: clusters[0]?.kubeconfig });
  const modules = path.join(example.directory, "node_modules");
  fs.mkdirSync(modules);
  fs.symlinkSync(root, path.join(modules, "linkerd-multicluster-mesh"));
  for (const name of ["@pulumi", "tsx"]) fs.symlinkSync(path.join(root, "node_modules", name), path.join(modules, name)); // prettier-ignore
  example.edit("index.ts", ignoring);
  const state = await example.up();
  assert.deepEqual(named(state, "mesh:index:Linkerd"), ["east"]);
  const deployments = await new Api(clusters[0]?.kubeconfig ?? "").list("/apis/apps/v1/namespaces/linkerd/deployments");
  assert.equal(deployments.length, 3);
  await example.pulumi("destroy", "--yes", "--skip-preview");
});

test("examples/yaml links two clusters", async () => {
  const [east, west] = clusters;
  const example = new Example("yaml", { eastKubeconfig: east?.kubeconfig, westKubeconfig: west?.kubeconfig });
  example.edit("Pulumi.yaml", (text) => ignoring(text.replace(/^packages:\n.*\n/m, "")));
  const state = await example.up();
  assert.deepEqual(named(state, "mesh:index:MulticlusterLink"), ["east-to-west", "west-to-east"]);
  const links = "/apis/multicluster.linkerd.io/v1alpha3/namespaces/linkerd-multicluster/links";
  for (const [cluster, target] of [
    [east, "west"],
    [west, "east"],
  ] as const) {
    const found = await new Api(cluster?.kubeconfig ?? "").list(links);
    assert.deepEqual(found.map(({ metadata }) => metadata.name), [target]); // prettier-ignore
  }
  const plain = JSON.stringify(state);
  for (const { kubeconfig } of clusters) assert.ok(!plain.includes(JSON.stringify(kubeconfig).slice(1, -1)));
  await example.pulumi("destroy", "--yes", "--skip-preview");
});

test("faulty arguments are refused before anything is registered", async () => {
  const example = new Example("faulty");
  const program = {
    name: "mesh-faulty",
    runtime: "yaml",
    resources: { east: { type: "mesh:K3dCluster", properties: { apiPort: 80 } } },
  };
  fs.writeFileSync(path.join(example.directory, "Pulumi.yaml"), stringify(program));
  await assert.rejects(example.up(), /apiPort of K3dCluster east is 80; allowed: a whole number from 1024 to 65535/);
});
