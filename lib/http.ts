import type { RequestInit, Response } from "undici";

/**
 * fetch that goes through the proxy of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as Go's programs do. Node.js itself reads
 * these variables only from version 22.21 on, and only if NODE_USE_ENV_PROXY is set.
 *
 * @throws TypeError when there is no answer; its cause says why
 * @example const response = await request("https://helm.linkerd.io/edge/index.yaml")
 */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
  // Loaded when needed: most commands ask no server.
  const { EnvHttpProxyAgent, fetch } = await import("undici");
  return fetch(url, { ...init, dispatcher: new EnvHttpProxyAgent() });
}
