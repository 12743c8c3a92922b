#!/bin/sh
# The mesh by Helm and kubectl, with both clusters side by side and each step as early as it can be.
. "$(dirname "$0")/common.sh"

release() { # <cluster> <chart> <namespace> <helm's arguments>
  cluster=$1 chart=$2 namespace=$3
  shift 3
  helm upgrade --install "$chart" "charts/$chart" --kubeconfig "$cluster/kubeconfig" --namespace "$namespace" "$@"
}

install() { # <cluster>
  createCluster "$1"
  on "$1" apply -f namespaces.json
  release "$1" linkerd-crds linkerd --set installGatewayAPI=true
  release "$1" linkerd-control-plane linkerd --values "$1/linkerd.json" --set-file identityTrustAnchorsPEM=anchor.crt \
    --set-file "identity.issuer.tls.crtPEM=$1/issuer.crt" --set-file "identity.issuer.tls.keyPEM=$1/issuer.key" \
    --wait --timeout 5m
  # The pods are ready a moment before the API server reaches the webhooks.
  retry on "$1" create service clusterip probe --tcp 80 --dry-run=server
  # Both have meshed pods, which start only once the control plane is ready.
  deploy "$1" &
  release "$1" linkerd-multicluster linkerd-multicluster --values "$1/multicluster.json"
  wait $!
}

# Makes what `linkerd multicluster link-gen` prints. The chart made the account and its token in the target.
link() { # <source>
  target=$(other "$1")
  token=linkerd-service-mirror-remote-access-default-token
  on "$target" wait "secret/$token" --namespace linkerd-multicluster --for 'jsonpath={.data.token}' --timeout 1m
  on "$target" get secret "$token" --namespace linkerd-multicluster --output \
    'go-template={{index .data "ca.crt"}} {{.data.token | base64decode}}{{"\n"}}' >"$1/token"
  read -r ca bearer <"$1/token"
  credentials "$target" "$ca" "$bearer" >"$1/credentials.yaml"
  on "$1" wait crd/links.multicluster.linkerd.io --for condition=Established --timeout 1m
  on "$1" apply -f "$1/credentials.yaml" -f "$1/link.json"
}

# Two Secrets: the mirror reads its own, and the control plane reads the one in its namespace.
credentials() { # <target> <its CA> <token>
  cat <<END
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Secret
    type: mirror.linkerd.io/remote-kubeconfig
    metadata: {name: cluster-credentials-$1, namespace: linkerd-multicluster}
    stringData: &credentials
      kubeconfig: |
        apiVersion: v1
        kind: Config
        current-context: $1
        contexts: [{name: $1, context: {cluster: $1, user: $1}}]
        clusters:
          - name: $1
            cluster: {server: "https://k3d-$(cat "$1/name")-serverlb:6443", certificate-authority-data: $2}
        users: [{name: $1, user: {token: $3}}]
  - apiVersion: v1
    kind: Secret
    type: mirror.linkerd.io/remote-kubeconfig
    metadata:
      name: cluster-credentials-$1
      namespace: linkerd
      labels: {multicluster.linkerd.io/cluster-name: $1}
      annotations:
        multicluster.linkerd.io/trust-domain: $1.cluster.local
        multicluster.linkerd.io/cluster-domain: $1.cluster.local
    stringData: *credentials
END
}

ready() { # <cluster>
  for namespace in linkerd-multicluster default; do
    for workload in $(on "$1" get deployments,statefulsets --namespace "$namespace" --output name); do
      on "$1" rollout status "$workload" --namespace "$namespace" --timeout 5m
    done
  done
}

build() {
  everywhere install
  everywhere link
  everywhere ready
}

runVerb
