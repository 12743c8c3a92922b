import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../lib/paths";
import type { MeshStatus } from "../status/model";
import type { View } from "./events";
import { layOut } from "./layout";

/** Pause between two looks at the mesh while somebody watches, in milliseconds. */
const interval = 1_000;

const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Mesh</title>
<link rel="icon" href="data:,"><script type="module" src="/page.js"></script></head>
<body></body>
</html>
`;

/** The browser asks nobody but this server. */
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; img-src data:",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/**
 * Serves a page that follows the mesh, on the loopback address only. While no page is open, it asks no cluster.
 *
 * @param ask looks at the mesh
 * @param port default: any that is free
 * @returns the server, listening, and its address. Example: `http://127.0.0.1:41234`
 */
export async function serve(ask: () => Promise<MeshStatus>, port = 0): Promise<{ server: Server; url: string }> {
  const page = await bundle();
  const pages = new Set<ServerResponse>();
  const broadcast = broadcaster(ask, pages);
  const server = createServer((request, response) => {
    const refusal = refused(request, url);
    if (refusal) return void response.writeHead(403, headers).end(refusal);
    if (request.url === "/") return void response.writeHead(200, { ...headers, "content-type": "text/html" }).end(html);
    if (request.url === "/page.js")
      return void response.writeHead(200, { ...headers, "content-type": "text/javascript" }).end(page);
    if (request.url !== "/events") return void response.writeHead(404, headers).end();
    response.writeHead(200, { ...headers, "content-type": "text/event-stream" });
    pages.add(response);
    response.on("close", () => pages.delete(response));
    broadcast.welcome(response);
  });
  await new Promise<void>((listening, failed) => server.once("error", failed).listen(port, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, url };
}

/** Another site's page must not read this one through a name that leads to 127.0.0.1 (DNS rebinding). */
function refused({ headers: { host = "" }, method }: IncomingMessage, url: string): string | undefined {
  const { port } = new URL(url);
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) return `this page is at ${url} only\n`;
  return method === "GET" ? undefined : "this page only shows\n";
}

/** Looks at the mesh as long as there are pages, and tells them each change. */
function broadcaster(ask: () => Promise<MeshStatus>, pages: Set<ServerResponse>) {
  const look = looker(ask);
  let event = "";
  let running = false;
  const run = async () => {
    if (running) return;
    running = true;
    while (pages.size > 0) {
      const next = await look();
      if (next !== event) for (const page of pages) page.write(next);
      event = next;
      await sleep(interval);
    }
    // The next page must not begin with an old picture.
    event = "";
    running = false;
  };
  return {
    welcome(page: ServerResponse) {
      if (event) page.write(event);
      void run();
    },
  };
}

/**
 * Each look returns one event of a text/event-stream. The picture is laid out again only when the status has changed. A
 * fault of this program is shown too, and the next look may be better.
 */
function looker(ask: () => Promise<MeshStatus>): () => Promise<string> {
  let last = { status: "", event: "" };
  return async () => {
    try {
      const status = await ask();
      const json = JSON.stringify(status);
      if (json !== last.status) {
        const view: View = { status, layout: await layOut(status) };
        last = { status: json, event: `data: ${JSON.stringify(view)}\n\n` };
      }
      return last.event;
    } catch (error) {
      console.error(error);
      return `event: fault\ndata: ${JSON.stringify(String(error))}\n\n`;
    }
  };
}

/** The page's code in one file. Made at each start, so there is no build step. */
async function bundle(): Promise<string> {
  const { build, stop } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [path.join(root, "view/page/main.tsx")],
    bundle: true,
    write: false,
    format: "esm",
    minify: true,
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  await stop();
  return outputFiles[0]?.text ?? "";
}
