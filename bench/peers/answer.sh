#!/bin/sh
# Sends a request from a pod in east to the mirror of one pod of west's StatefulSet, until it is answered.
#
# Usage: answer.sh <kubeconfig> <context of east>
set -eu
url=http://nginx-set-0.nginx-svc-west.default.svc.east.cluster.local:80
end=$(($(date +%s) + 180))
until kubectl --kubeconfig "$1" --context "$2" --namespace default exec deploy/curl --container curl -- \
  curl --silent --show-error --fail --max-time 3 --output /dev/null "$url"; do
  if [ "$(date +%s)" -ge "$end" ]; then
    echo "$url has not answered within 180 s" >&2
    exit 1
  fi
  sleep 0.2
done
