import * as net from "node:net";
import { UserError } from "./run";

/** Whether a URL leads to the loopback address of the machine that opens it. */
export function isLoopback(url: string): boolean {
  return URL.canParse(url) && /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);
}

/** Whether a program listens on a loopback port. Waits two seconds at most. */
export function isPortTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const settle = (taken: boolean) => {
      socket.destroy();
      resolve(taken);
    };
    socket.setTimeout(2_000, () => settle(false));
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

/** First ports that were tried. Nothing listens on a given one until its program has started. */
const given = new Set<number>();

/**
 * First of `count` consecutive free ports, below those that systems give to outgoing connections. Such a port could be
 * taken before the program that it is for listens there. A process is given no port twice.
 *
 * @throws UserError when there are none
 */
export async function freePorts(count: number): Promise<number> {
  for (let base = 12_000 + 100 * Math.floor(Math.random() * 150); base + count < 32_000; base += 100) {
    if (given.has(base)) continue;
    given.add(base);
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(base + i)));
    if (free.every((one) => one)) return base;
  }
  throw new UserError(`no ${count} neighbouring ports below 32000 are free. Next: end what listens there`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    // On all addresses, as kwok listens.
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
