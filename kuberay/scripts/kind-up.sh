#!/usr/bin/env bash
# Starts Trailmind on this machine: a separate kind cluster, KubeRay's operator, the image, the service.
# Does not change other clusters and the current kubectl context. Needs docker, kind, kubectl and helm.
# Usage: kind-up.sh [CLUSTER_NAME]
set -euo pipefail

name="${1:-trailmind}"
context="kind-$name"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$here/../.."
kuberay_version=1.7.0

for tool in docker kind kubectl helm; do
  command -v "$tool" > /dev/null || { echo "$tool is not installed" >&2; exit 1; }
done

before="$(kubectl config current-context 2> /dev/null || true)"
if ! kind get clusters | grep -qx "$name"; then
  kind create cluster --name "$name" --config "$here/kind-cluster.yaml"
  if [[ -n "$before" ]]; then kubectl config use-context "$before"; fi
fi

docker build -f "$root/kuberay/Dockerfile" -t trailmind:dev --build-arg VERSION=dev \
  --build-arg REVISION="$(git -C "$root" rev-parse HEAD)" "$root"
kind load docker-image trailmind:dev --name "$name"

# The chart creates the operator's Role in the namespace that it watches.
kubectl --context "$context" apply --server-side -f "$here/../base/namespace.yaml"
helm repo add kuberay https://ray-project.github.io/kuberay-helm/ --force-update
helm --kube-context "$context" upgrade --install kuberay-operator kuberay/kuberay-operator \
  --version "$kuberay_version" --namespace kuberay-operator --create-namespace \
  --values "$here/../operator-values.yaml" --wait

"$here/kind-secrets.sh"
"$here/deploy.sh" kind --context "$context"

cat << EOF

Trailmind runs in the kind cluster "$name". Reach it with either of
  kubectl --context $context -n trailmind port-forward svc/trailmind-serve-svc 9000:8000
  cloud-provider-kind        # then http://trailmind.localhost
Take it away with: kind delete cluster --name $name
EOF
