/** The kubeconfig of one cluster, named after its context throughout, as the lifecycle programs hand it on. */
export function oneCluster(context: string, server = "https://127.0.0.1:6443"): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: context, cluster: { server, "certificate-authority-data": "Q0E=" } }],
    users: [{ name: context, user: { token: `token of ${context}` } }],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    "current-context": context,
  });
}
