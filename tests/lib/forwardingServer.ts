import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { oneCluster } from "./kubeconfigs";

/** What a forwarded port does: leads to a port of this machine, says an error, or keeps silent. */
export type ForwardedPort = { to: number } | { error: string } | "silent" | "closes";

/**
 * An API server that knows port-forwards and nothing else, for tests of their client. Every other path, and every pod that it
 * does not know, is answered with 404. https://kubernetes.io/docs/reference/using-api/websockets/
 */
export class ForwardingServer {
  /** Connections that are open now. */
  open = 0;

  private constructor(
    private readonly server: Server,
    private readonly pod: string,
    private readonly ports: Record<number, ForwardedPort>,
  ) {
    server.on("upgrade", (request: IncomingMessage, socket: Duplex) => this.upgrade(request, socket));
  }

  static async start(pod: string, ports: Record<number, ForwardedPort>): Promise<ForwardingServer> {
    const server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ForwardingServer(server, pod, ports);
  }

  kubeconfig(): string {
    const { port } = this.server.address() as AddressInfo;
    const config = JSON.parse(oneCluster("pods", `http://127.0.0.1:${port}`)) as { clusters: [{ cluster: object }] };
    // The client asks for it where it is to speak plain HTTP.
    Object.assign(config.clusters[0].cluster, { "insecure-skip-tls-verify": true });
    return JSON.stringify(config);
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private upgrade({ url = "", headers }: IncomingMessage, socket: Duplex): void {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const port = Number(searchParams.get("ports"));
    const does = pathname.endsWith(`/pods/${this.pod}/portforward`) ? this.ports[port] : undefined;
    if (does === undefined) {
      socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    const answer = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept.digest("base64")}`,
      "Sec-WebSocket-Protocol: v4.channel.k8s.io",
    ];
    socket.write(`${answer.join("\r\n")}\r\n\r\n`);
    this.open++;
    socket
      .on("close", () => this.open--)
      .on("end", () => socket.end())
      .on("error", () => socket.destroy());
    const number = Buffer.from([port & 255, port >> 8]);
    for (const channel of [0, 1]) socket.write(frame(channel, number));
    forward(socket, does);
  }
}

function forward(socket: Duplex, does: ForwardedPort): void {
  const close = (): unknown => socket.end(Buffer.from([0x88, 0]));
  socket.resume();
  if (does === "silent") return;
  if (does === "closes") {
    close();
  } else if ("error" in does) {
    socket.write(frame(1, Buffer.from(does.error)));
    close();
  } else {
    const pod = connect(does.to, "127.0.0.1");
    pod.on("data", (data) => socket.write(frame(0, data))).on("end", close);
    socket.on("data", (data: Buffer) => read(data, (bytes) => pod.write(bytes))).on("close", () => pod.destroy());
  }
}

/** One message to the client, on one of the two channels of a port: data and errors. */
function frame(channel: number, data: Buffer): Buffer {
  const length = data.length + 1;
  const head = Buffer.alloc(10);
  head[0] = 0x82;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.from([channel]), data]);
}

/** The messages of a client. Its requests are short: each comes in one piece, and is below 64 KiB. */
function read(data: Buffer, use: (bytes: Buffer) => void): void {
  for (let at = 0; at < data.length;) {
    const [opcode, short] = [(data[at] ?? 0) & 15, (data[at + 1] ?? 0) & 127];
    const length = short === 126 ? data.readUInt16BE(at + 2) : short;
    const mask = at + (short === 126 ? 4 : 2);
    const bytes = data.subarray(mask + 4, mask + 4 + length).map((byte, i) => byte ^ (data[mask + (i % 4)] ?? 0));
    if (opcode === 2) use(Buffer.from(bytes.subarray(1)));
    at = mask + 4 + length;
  }
}
