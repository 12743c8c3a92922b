import { request, type IncomingMessage } from "node:http";
import { Duplex, PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { client, type ClusterClient, type Pod } from "./api";
import { Interrupted, type Deadline } from "./watch";

/** The API server's connection to the pod. The client's own type comes from `ws`, which is not a dependency here. */
interface Connection {
  on(event: "close", listener: () => void): unknown;
  /** Unlike `close`, it does not wait for an answer. Waiting would delay this program's exit by half a minute. */
  terminate(): void;
}

/**
 * GETs a path from a port of a pod through a port-forward, as `linkerd` does. Linkerd's policies admit the request,
 * because it arrives from the pod's localhost. They refuse requests through the API server's proxy
 * (charts/linkerd-multicluster, gateway-policy.yaml).
 *
 * @returns the body of the answer
 * @throws Interrupted when the run is ended by a signal
 * @throws Error when the pod cannot be reached, does not answer 200, or does not answer within the deadline
 * @example await fetchFromPod(west, { namespace: "linkerd-multicluster", name: pod }, 4191, "/metrics", deadline)
 */
export async function fetchFromPod(
  cluster: ClusterClient,
  pod: { namespace: string; name: string },
  port: number,
  path: string,
  deadline: Deadline,
): Promise<string> {
  const where = `port ${port} of pod ${pod.namespace}/${pod.name}`;
  const stop = new AbortController();
  const ended = new Promise<never>((_, reject) => {
    const end = (error: Error): void => {
      reject(error);
      stop.abort(error);
    };
    const timer = setTimeout(
      () => end(new Error(`${where} did not answer within ${deadline.seconds} s`)),
      deadline.leftMs(),
    );
    const interrupt = (): void => end(new Interrupted());
    deadline.signal.addEventListener("abort", interrupt);
    stop.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      deadline.signal.removeEventListener("abort", interrupt);
    });
    if (deadline.signal.aborted) interrupt();
  });
  const answer = async (): Promise<string> => {
    let tunnel: Duplex | undefined;
    try {
      tunnel = await open(cluster, pod, port, stop.signal);
      const response = await get(tunnel, path);
      const body = await text(response);
      if (response.statusCode !== 200) throw new Error(`it answered ${response.statusCode}: ${body.split("\n")[0]}`);
      return body;
    } catch (error) {
      throw new Error(where, { cause: error });
    } finally {
      tunnel?.destroy();
    }
  };
  try {
    return await Promise.race([answer(), ended]);
  } finally {
    stop.abort();
  }
}

/** Opens a stream to the port. `signal` ends it. */
async function open(
  { kube }: ClusterClient,
  { namespace, name }: { namespace: string; name: string },
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const { PortForward } = await client();
  const [toPod, fromPod, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const tunnel = Duplex.from({ readable: fromPod, writable: toPod });
  tunnel.on("error", () => undefined); // `get` reads it from `errored`
  let said = "";
  errors.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    // The kubelet ends its message with the stream, not with a newline. The first chunk is enough.
    if (said.trim()) tunnel.destroy(new Error(said.trim()));
  });
  let connection: Connection;
  try {
    connection = (await new PortForward(kube).portForward(
      namespace,
      name,
      [port],
      fromPod,
      errors,
      toPod,
    )) as Connection;
  } catch (error) {
    throw new Error("the pod cannot be reached", { cause: error });
  }
  connection.on("close", () => fromPod.end());
  tunnel.on("close", () => connection.terminate());
  if (signal.aborted) tunnel.destroy();
  signal.addEventListener("abort", () => tunnel.destroy());
  return tunnel;
}

function get(tunnel: Duplex, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(tunnel.errored ?? new Error("the connection was closed"));
    if (tunnel.destroyed) return lost();
    tunnel.on("close", lost);
    request({ path, host: "localhost", createConnection: () => tunnel }, resolve)
      .on("error", reject)
      .end();
  });
}

/**
 * The number of a container's named port.
 *
 * @param name the end of the port's name. Example: `-admin`, for `ctrl-admin` of a link's controller
 */
export function portNamed({ spec }: Pod, container: string, name: string): number | undefined {
  // The proxy is an init container where it runs as a native sidecar.
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const ports = all.find((one) => one.name === container)?.ports ?? [];
  return ports.find((port) => port.name?.endsWith(name))?.containerPort;
}
