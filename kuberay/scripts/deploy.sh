#!/usr/bin/env bash
# Rolls out an overlay in order: checks, accounts and policies, the migration, the service; then waits until the service
# is ready. Stops at the first failure, while the old service continues to serve.
# Usage: deploy.sh OVERLAY [--context CONTEXT]
set -euo pipefail

usage="usage: deploy.sh OVERLAY [--context CONTEXT]"
overlay="${1:?$usage}"
context=()
if [[ "${2:-}" == "--context" ]]; then context=(--context "${3:?$usage}"); fi
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$here/../.."
python="${PYTHON:-$root/.venv/bin/python}"
kubectl() { command kubectl "${context[@]}" "$@"; }

if [[ "$overlay" == kind ]]; then
  (cd "$root" && "$python" -m kuberay.checks "$overlay")
else
  (cd "$root" && "$python" -m kuberay.checks --deploy "$overlay")
fi

rendered="$(mktemp)"
trap 'rm -f "$rendered"' EXIT
kubectl kustomize "$here/../overlays/$overlay" > "$rendered"

# The operator writes the defaults of workerGroupSpecs when it adds its finalizer, and so owns that list too. The manifest
# decides: without --force-conflicts every roll-out after the first one ends in a conflict with "kuberay-operator".
apply() {
  kubectl apply --server-side --force-conflicts --field-manager=trailmind-deploy -f "$rendered" \
    -l "trailmind.dev/phase=$1"
}

echo "== prepare"
apply prepare
if [[ "$overlay" == kind ]]; then
  kubectl -n trailmind rollout status statefulset/postgres --timeout=180s
fi
# Their kind is unknown where the operator of External Secrets is not installed, and `wait --all` fails for none.
if [[ -n "$(kubectl -n trailmind get externalsecrets.external-secrets.io -o name 2> /dev/null || true)" ]]; then
  kubectl -n trailmind wait externalsecrets.external-secrets.io --all --for=condition=Ready --timeout=120s
fi

echo "== migrate"
# The template of a Job is immutable, and the Job of the last rollout may still exist.
kubectl -n trailmind delete job trailmind-migrate --ignore-not-found --wait
apply migrate
if ! kubectl -n trailmind wait job/trailmind-migrate --for=condition=Complete --timeout=1800s; then
  kubectl -n trailmind logs job/trailmind-migrate --tail=50 >&2 || true
  echo "the migration did not finish; the service was left as it is" >&2
  exit 1
fi

echo "== serve"
unfinished="$(kubectl -n trailmind get rayservice/trailmind -o 'jsonpath={.status.pendingServiceStatus.rayClusterName}' \
  2> /dev/null || true)"
if [[ -n "$unfinished" ]]; then
  echo "the upgrade to cluster $unfinished is not complete; a changed manifest builds another cluster, also a revert"
fi
apply serve
# A changed cluster is built beside the old one and replaces it when complete; a broken image gets no traffic.
(cd "$root" && "$python" -m kuberay.rollout "${context[@]}" ${unfinished:+--unfinished "$unfinished"})
kubectl -n trailmind get rayservice,rayclusters,pods
