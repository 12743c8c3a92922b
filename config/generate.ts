/**
 * Files that are made from config/schema.ts: Pulumi.yaml's settings, docs/settings.md and settings.schema.json.
 *
 * @example node --import tsx config/generate.ts
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseDocument } from "yaml";
import * as z from "zod";
import { root } from "../lib/paths";
import { about, runtimes, schema, type SettingName, shape } from "./schema";

interface JsonSchema {
  type?: string;
  items?: JsonSchema;
  [field: string]: unknown;
}

const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as {
  properties: Record<string, JsonSchema>;
};
const names = Object.keys(about) as SettingName[];

/** Before prettier formats them. Example: `{ "docs/settings.md": "# Settings ..." }` */
function generated(): Record<string, string> {
  return {
    "Pulumi.yaml": pulumiYaml(fs.readFileSync(path.join(root, "Pulumi.yaml"), "utf8")),
    "docs/settings.md": settingsPage(),
    "settings.schema.json": JSON.stringify(editorSchema(), null, 2),
  };
}

/**
 * Pulumi passes a declared default to the program, and refuses a stack that lacks a declared setting without one. So
 * settings whose default depends on something else are not declared.
 */
function pulumiYaml(text: string): string {
  const document = parseDocument(text);
  const declared = names.filter((name) => about[name].default !== undefined);
  const config = declared.map((name) => {
    const { type, items } = json.properties[name] ?? {};
    const { default: value, description } = about[name];
    return [name, { type, ...(items && { items: { type: items.type } }), default: value, description }];
  });
  document.set("config", document.createNode(Object.fromEntries(config)));
  return document.toString({ lineWidth: 0 });
}

function settingsPage(): string {
  const rows = names.map((name) => {
    const { description, default: value, otherwise, runtimes: users = runtimes, example } = about[name];
    const usual = value === undefined ? otherwise : code(value);
    const only = users.length === runtimes.length ? "" : users.join(", ");
    const columns = [`\`${name}\``, escaped(description), escaped(allowed(name)), usual, only, code(example ?? value)];
    return `| ${columns.join(" | ")} |`;
  });
  return [
    "# Settings",
    "",
    "Write settings into `Pulumi.<stack>.yaml`, with `mesh:` in front of each. `pulumi config set <setting> <value>` does it for a",
    'text, a number or a boolean. For a stack of the npm scripts, run `eval "$(npm run -s env -- <stack>)"` before it. Every value is',
    "checked before anything is created, and a setting that the stack's runtime ignores is refused. Editors check the file with",
    "`settings.schema.json`: its first line is `# yaml-language-server: $schema=settings.schema.json`.",
    "",
    "This page is made from `config/schema.ts` by `node --import tsx config/generate.ts`.",
    "",
    "| setting | | allowed | default | only with | example |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
    "## Kubeconfigs of existing clusters",
    "",
    "They are read as kubectl reads them: `$KUBECONFIG` may name several files, and a relative path in a file starts from its",
    "directory. `existing.<cluster>.kubeconfig` may begin with `~`, and a relative path starts from the project's directory. The state",
    "gets the one context, with the content of its certificate files. A `tokenFile` and a credential plugin stay references, so every",
    "machine needs them. Objects without a namespace go to `default`, also if the context has another one.",
    "",
    "## k3d",
    "",
    "k3d also takes its own `K3D_IMAGE_LOADBALANCER` and `K3D_IMAGE_TOOLS` from the environment. `MESH_IMAGE_CACHE_IMAGE` names another",
    "image for the image cache, such as the same one in a registry of yours ([images.md](images.md)).",
    "",
    'With `ports: { east: ["8080:80"] }` the address http://127.0.0.1:8080 leads to port 80 of a LoadBalancer Service in east. `k3sArgs`',
    "go to every server, and not to agents. Other clusters reach a gateway on every node of its cluster.",
    "",
    "## Proxies and private certificates",
    "",
    "`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment decide how this machine fetches tools, plugins and charts. New k3d",
    "nodes get them too, with the clusters' own names and the private ranges added to `NO_PROXY`. They are not in the state. The Docker",
    "engine pulls the nodes' own images, by [its settings](https://docs.docker.com/engine/daemon/proxy/).",
    "",
    "Where the proxy or a registry has a certificate of a private authority, set `caFile` for the nodes. For this machine's programs",
    "export `NODE_EXTRA_CA_CERTS` (Node.js) and `SSL_CERT_FILE` (pulumi, helm and the plugins).",
    "",
    "## The gateway",
    "",
    "`chartValues` of linkerd-multicluster set the gateway's Service: `gateway.serviceType` (LoadBalancer or NodePort),",
    "`gateway.serviceAnnotations`, `gateway.loadBalancerIP`, `gateway.replicas` and others of the chart. A NodePort needs",
    "`gateway.nodePort` and `gateway.probe.nodePort`, because the Links name both. `gateway.port` stays 4143: Linkerd's proxy takes",
    "requests for other clusters on no other port.",
    "",
  ].join("\n");
}

/** What the setting's checks say to a wrong value. */
function allowed(name: SettingName): string {
  const blank = shape[name].safeParse(" ");
  // Any text will do.
  return blank.success ? "a non-empty string" : (blank.error.issues[0]?.message ?? "");
}

const escaped = (text: string) => text.replaceAll("<", "\\<").replaceAll("|", "\\|");

function code(value: unknown): string {
  return value === undefined ? "" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

/** For `Pulumi.<stack>.yaml`. */
function editorSchema(): object {
  const properties = names.map((name) => {
    const { description, default: value } = about[name];
    return [`mesh:${name}`, { ...json.properties[name], description, ...(value !== undefined && { default: value }) }];
  });
  const secrets = {
    encryptionsalt: { type: "string" },
    encryptedkey: { type: "string" },
    secretsprovider: { type: "string" },
  };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Settings of a stack (Pulumi.<stack>.yaml)",
    type: "object",
    properties: {
      ...secrets,
      config: {
        type: "object",
        properties: Object.fromEntries(properties) as object,
        patternProperties: { "^(?!mesh:)": {} },
        additionalProperties: false,
      },
    },
    additionalProperties: false,
  };
}

/** The contents of each file as they are committed. */
export async function formatted(): Promise<Record<string, string>> {
  const { format, resolveConfig } = await import("prettier");
  const files = Object.entries(generated()).map(async ([name, text]) => {
    const file = path.join(root, name);
    return [name, name.endsWith(".md") ? text : await format(text, { ...(await resolveConfig(file)), filepath: file })];
  });
  return Object.fromEntries((await Promise.all(files)) as [string, string][]);
}

async function write(): Promise<void> {
  for (const [name, text] of Object.entries(await formatted())) fs.writeFileSync(path.join(root, name), text);
}

if (require.main === module) void write();
