#!/bin/sh
# Brings the rehearsal up without Pulumi, as a careful person would with kwokctl, kubectl and openssl, to compare with.
# The objects are rendered beforehand from a stack's state (render.ts); rendering charts is not part of its time.
#
# Usage: script.sh up|down <directory>    the directory holds one folder a cluster, with kwok.yaml, name and NN-phase.json
# Reads KWOK_WORKDIR, as kwokctl does.
set -eu
verb=$1
cd "$2"
# Interrupted, its side by side steps end with it. It has a process group of its own.
trap 'trap - INT TERM; kill -TERM 0' INT TERM

binaries() {
  for flag in etcd:etcd kube-apiserver:kube-apiserver kube-controller-manager:kube-controller-manager \
    kube-scheduler:kube-scheduler kwok-controller:kwok; do
    if file=$(command -v "${flag#*:}"); then printf -- '--%s-binary %s ' "${flag%%:*}" "$file"; fi
  done
}

# As many keys and certificates as the stack makes; the rendered objects hold the stack's own.
certificate() { # <name> <common name> [issuer]
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  if [ $# -eq 2 ]; then
    openssl req -x509 -new -key "$1.key" -subj "/CN=$2" -days 3650 -out "$1.crt"
  else
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 365 -out "$1.crt" 2>/dev/null
  fi
}

on() { # <cluster> <kubectl's arguments>
  cluster=$1
  shift
  kubectl --kubeconfig "$cluster/kubeconfig" "$@"
}

apply() { # <cluster> <phase>
  if [ -e "$1/$2.json" ]; then on "$1" apply --server-side --force-conflicts -f "$1/$2.json" >/dev/null; fi
}

ready() { # <cluster> <namespace>
  for set in $(on "$1" get deployments,statefulsets --namespace "$2" -o name); do
    on "$1" rollout status "$set" --namespace "$2" --timeout 5m >/dev/null
  done
}

bringUp() { # <cluster>
  # shellcheck disable=SC2046 # flags and files, without spaces
  kwokctl --name "$(cat "$1/name")" --config "$1/kwok.yaml" create cluster --kubeconfig "$PWD/$1/kubeconfig" --wait 2m \
    $(binaries) >"$1/log" 2>&1
  kwokctl --name "$(cat "$1/name")" --config "$1/kwok.yaml" scale node --replicas 1 >>"$1/log" 2>&1
  apply "$1" 10-namespaces
  apply "$1" 50-access
  apply "$1" 20-crds
  on "$1" wait --for condition=Established crd --all --timeout 1m >/dev/null
  apply "$1" 30-control-plane
  ready "$1" linkerd
  apply "$1" 40-multicluster
  on "$1" wait --for condition=Established crd --all --timeout 1m >/dev/null
  apply "$1" 70-workloads
  ready "$1" linkerd-multicluster
  ready "$1" default
  on "$1" wait service/linkerd-gateway --namespace linkerd-multicluster --timeout 2m \
    --for 'jsonpath={.status.loadBalancer.ingress[0].ip}' >/dev/null
  for secret in $(on "$1" get secrets --namespace linkerd-multicluster -o name | grep -- '-token$'); do
    on "$1" wait "$secret" --namespace linkerd-multicluster --for 'jsonpath={.data.token}' --timeout 1m >/dev/null
  done
}

link() { # <cluster>
  apply "$1" 60-credentials
  apply "$1" 61-link
}

# Runs a step for every cluster side by side, and fails if one of them failed.
everywhere() { # <step>
  running=
  for cluster in */; do
    "$1" "${cluster%/}" &
    running="$running $!"
  done
  for one in $running; do wait "$one"; done
}

remove() { # <cluster>
  kwokctl --name "$(cat "$1/name")" delete cluster --kubeconfig "$PWD/$1/kubeconfig" >>"$1/log" 2>&1
}

keys() {
  certificate anchor identity.linkerd.cluster.local
  for cluster in */; do
    for webhook in proxy-injector sp-validator policy-validator; do
      certificate "${cluster%/}/$webhook" "linkerd-$webhook.linkerd.svc"
    done
    certificate "${cluster%/}/issuer" "identity.linkerd.${cluster%/}.cluster.local" anchor
  done
}

case $verb in
  up)
    keys
    everywhere bringUp
    everywhere link
    ;;
  down) everywhere remove ;;
  *)
    echo "script.sh got $verb; allowed: up, down" >&2
    exit 2
    ;;
esac
