import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/**
 * Keeps a route to the pods of every node of the peers. k3d's nodes are containers of one Docker network. They lose their
 * routes whenever they restart, and Docker may then give them other addresses. So each node looks the names up again
 * every two seconds, and no address is in the state.
 *
 * Each node tells its peers the range of its own pods. A route over another node of the peer would not do: answers take
 * the short way, and kube-proxy drops packets of connections of which it sees one direction only.
 */
const script = `
mkdir -p /www
httpd -p 6890 -h /www
while sleep 2; do
  ip route | sed -n 's/^\\([0-9./]*\\) dev cni0 .*/\\1/p' > /www/range
  for node in $NODES; do
    answer=$(ping -c 1 -W 1 "$node" 2>&1) || continue
    address=$(echo "$answer" | sed -n '1s/.*(\\([0-9.]*\\)).*/\\1/p')
    range=$(timeout 2 wget -q -O - "http://$address:6890/range") || continue
    [ -z "$range" ] || ip route replace "$range" via "$address"
  done
done
`;

/** BusyBox has all these programs, and is small. */
const image = "busybox:1.37.0";

/**
 * The DaemonSet that keeps the routes of one cluster's nodes.
 *
 * @param peerNodes names of the nodes whose pods its own pods reach, or that reach them
 */
export function podRoutes(name: string, peerNodes: string[], opts: pulumi.CustomResourceOptions): void {
  const labels = { app: "mesh-pod-routes" };
  new k8s.apps.v1.DaemonSet(
    `${name}-pod-routes`,
    {
      // A peer that fails must not hold up this cluster.
      metadata: { name: "mesh-pod-routes", namespace: "kube-system", annotations: { "pulumi.com/skipAwait": "true" } },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            hostNetwork: true,
            dnsPolicy: "Default",
            tolerations: [{ operator: "Exists" }],
            priorityClassName: "system-node-critical",
            terminationGracePeriodSeconds: 0,
            containers: [
              {
                name: "routes",
                image,
                command: ["sh", "-c", script],
                env: [{ name: "NODES", value: peerNodes.join(" ") }],
                securityContext: { capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] } },
                resources: { requests: { cpu: "5m", memory: "8Mi" }, limits: { memory: "32Mi" } },
              },
            ],
          },
        },
      },
    },
    opts,
  );
}
