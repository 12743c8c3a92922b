import { isLoopback } from "../../../lib/ports";
import { cacheName } from "../../../imageCache/container";
import { nodesOf, type K3dSpec } from "./spec";

/** Ranges of private networks (RFC 1918), where pods, services and nodes are, and names inside the cluster. */
const inside = ["localhost", "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", ".svc"];

const variable = (name: string, env: NodeJS.ProcessEnv) => env[name] ?? env[name.toLowerCase()] ?? "";

/** The proxies of this machine's environment, by variable. */
function proxies(env: NodeJS.ProcessEnv): [string, string][] {
  return ["HTTP_PROXY", "HTTPS_PROXY"].map((name) => [name, variable(name, env)] as [string, string]).filter(([, url]) => url); // prettier-ignore
}

/**
 * Options of `k3d cluster create` by which the nodes pull images through the proxy of this machine's environment. They
 * are not part of the spec: a proxy's address may contain a password, and the state must not.
 * https://docs.k3s.io/advanced#configuring-an-http-proxy
 *
 * @example proxyFlags(spec, { HTTPS_PROXY: "http://proxy:3128" }) // ["--env", "HTTPS_PROXY=http://proxy:3128@server:*;agent:*", ...]
 */
export function proxyFlags(spec: Pick<K3dSpec, "name" | "domain" | "servers" | "agents">, env: NodeJS.ProcessEnv) {
  const found = proxies(env).filter(([, url]) => !isLoopback(url));
  if (found.length === 0) return [];
  const names = [...nodesOf(spec), `k3d-${spec.name}-serverlb`, `.${spec.domain}`, "host.k3d.internal", cacheName];
  const without = [variable("NO_PROXY", env), ...inside, ...names].filter(Boolean).join(",");
  // k3d takes what follows an @ for nodes.
  const escaped = (text: string) => text.replaceAll("@", "\\@");
  return [...found, ["NO_PROXY", without]].flatMap(([name, value = ""]) => [
    "--env",
    `${name}=${escaped(value)}@server:*;agent:*`,
  ]);
}

/** Why a proxy is not used in the nodes, or undefined. */
export function proxyProblem(env: NodeJS.ProcessEnv): string | undefined {
  const [name, url] = proxies(env).find(([, url]) => isLoopback(url)) ?? [];
  if (!name || !url) return undefined;
  const { hostname, port } = new URL(url);
  return (
    `the nodes pull images without the proxy of ${name}, because ${hostname} is the node itself there. Next: let the ` +
    `proxy listen on Docker's network too, and export ${name}=http://host.k3d.internal:${port}`
  );
}
