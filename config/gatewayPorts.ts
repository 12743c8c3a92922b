import type { ChartName } from "./schema";

/** The ports by which other clusters reach a gateway. */
export interface GatewayPorts {
  /** For requests. Default: 4143 */
  gateway: number;
  /** For the probe of the mirrors' controllers. Default: 4191 */
  probe: number;
}

interface GatewayValues {
  serviceType?: unknown;
  nodePort?: unknown;
  probe?: { nodePort?: unknown };
}

/** The user's values for the gateway. */
export function gatewayValues(values: Partial<Record<ChartName, Record<string, unknown>>>): GatewayValues {
  return values["linkerd-multicluster"]?.gateway ?? {};
}

/**
 * The node's ports where the gateway's Service is a NodePort, else the Service's. Links and the probes' Services name
 * them, so Kubernetes must not choose them: settings.ts refuses a NodePort without numbers.
 *
 * @example gatewayPorts({}) // { gateway: 4143, probe: 4191 }
 */
export function gatewayPorts(values: Partial<Record<ChartName, Record<string, unknown>>>): GatewayPorts {
  const { serviceType, nodePort, probe } = gatewayValues(values);
  if (serviceType !== "NodePort") return { gateway: 4143, probe: 4191 };
  return { gateway: nodePort as number, probe: probe?.nodePort as number };
}
