#!/bin/sh
# The mesh by the steps of https://github.com/linkerd/l2d-k3d-statefulset, one after another, with the linkerd CLI.
# Where the demo sleeps for a fixed time, this waits for the thing itself.
. "$(dirname "$0")/common.sh"

l5d() { # <cluster> <linkerd's arguments>
  cluster=$1
  shift
  linkerd --kubeconfig "$cluster/kubeconfig" "$@"
}

# Without `linkerd check --pre`, because it insists on definitions of the Gateway API, which come with Linkerd's here.
install() { # <cluster>
  l5d "$1" install --crds --set installGatewayAPI=true | on "$1" apply -f -
  l5d "$1" install --values "$1/linkerd.json" --identity-trust-anchors-file anchor.crt \
    --identity-issuer-certificate-file "$1/issuer.crt" --identity-issuer-key-file "$1/issuer.key" |
    on "$1" apply -f -
  retry l5d "$1" check
  l5d "$1" multicluster install --values "$1/multicluster.json" | on "$1" apply -f -
}

# The Link names the gateway's address, which is the node's. Pods and `linkerd multicluster check` reach the API server there.
link() { # <target>
  address='jsonpath={.status.loadBalancer.ingress[0].ip}'
  on "$1" wait service/linkerd-gateway --namespace linkerd-multicluster --timeout 5m --for "$address"
  ip=$(on "$1" get service linkerd-gateway --namespace linkerd-multicluster --output "$address")
  l5d "$1" multicluster link-gen --cluster-name "$1" --api-server-address "https://$ip:6443" |
    on "$(other "$1")" apply -f -
}

build() {
  for one in east west; do createCluster "$one"; done
  for one in east west; do install "$one"; done
  for one in east west; do link "$one"; done
  for one in east west; do retry l5d "$one" multicluster check; done
  for one in east west; do deploy "$one"; done
}

runVerb
