# The steps that demo.sh and helm.sh share. Each reads this file, defines `build`, and ends with `runVerb`.
#
# Usage of both: <script> up|down <folder>    folder.ts writes the folder, with a subfolder per cluster of the mesh
# Reads NODE_IMAGE: the image of k3d's nodes, or nothing for the one that k3d was released with.
set -eu
verb=$1
case $verb in
  up | down) ;;
  *)
    echo "$(basename "$0") got $verb; allowed: up, down" >&2
    exit 2
    ;;
esac
cd "$2"
network=$(cat network)
# k3d edits its kubeconfig, and leaves files in the temporary directory.
export KUBECONFIG="$PWD/k3d-kubeconfig" TMPDIR="$PWD"
# Interrupted, every step ends with the script. It has a process group of its own.
trap 'trap "" INT TERM; kill -TERM 0; wait; exit 130' INT TERM

# The trust anchor, and an issuer for each cluster that it signs.
keys() {
  printf 'basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n' >ca.ext
  key anchor identity.linkerd.cluster.local
  openssl x509 -req -in anchor.csr -signkey anchor.key -days 3650 -extfile ca.ext -out anchor.crt
  for cluster in east west; do
    key "$cluster/issuer" "identity.linkerd.$cluster.cluster.local"
    openssl x509 -req -in "$cluster/issuer.csr" -CA anchor.crt -CAkey anchor.key -CAcreateserial -days 365 \
      -extfile ca.ext -out "$cluster/issuer.crt"
  done
}

key() { # <file> <common name>
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
}

# Traefik brings definitions of the Gateway API that clash with Linkerd's, so no way of building the mesh has it.
createCluster() { # <cluster>
  k3d cluster create "$(cat "$1/name")" --network "$network" --api-port 127.0.0.1:random \
    --k3s-arg "--cluster-domain=$1.cluster.local@server:*" --k3s-arg "--disable=traefik@server:*" \
    ${NODE_IMAGE:+--image "$NODE_IMAGE"} --kubeconfig-update-default=false --wait --timeout 5m
  (umask 077 && k3d kubeconfig get "$(cat "$1/name")" >"$1/kubeconfig")
}

on() { # <cluster> <kubectl's arguments>
  cluster=$1
  shift
  kubectl --kubeconfig "$cluster/kubeconfig" "$@"
}

# Pods of the sample's namespace join the mesh.
deploy() { # <cluster>
  on "$1" annotate namespace default linkerd.io/inject=enabled
  on "$1" apply -f "manifests/$1"
}

retry() { # <command>    at most 60 times
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ]
    sleep 0.5
  done
}

other() { # <cluster>
  if [ "$1" = east ]; then echo west; else echo east; fi
}

# Runs a step for both clusters side by side. It waits for both, because the removal comes after a failure.
everywhere() { # <step>
  "$1" east &
  east=$!
  "$1" west &
  if wait $!; then wait "$east"; else
    wait "$east"
    return 1
  fi
}

removeCluster() { # <cluster>
  k3d cluster delete "$(cat "$1/name")"
}

down() {
  everywhere removeCluster
  if docker network inspect "$network" >/dev/null 2>&1; then docker network rm "$network"; fi
}

up() {
  keys
  docker network create "$network"
  build
}

runVerb() {
  # Beside the shell, because it handles a signal only between the steps that it waits for itself.
  "$verb" &
  wait $!
}
