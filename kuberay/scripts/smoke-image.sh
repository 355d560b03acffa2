#!/usr/bin/env bash
# Tests a built image as Kubernetes runs it: read-only, without capabilities, as its own user. Needs docker.
# Usage: smoke-image.sh IMAGE
set -euo pipefail

image="${1:?usage: smoke-image.sh IMAGE}"
max_bytes=1500000000

run() {
  docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --network none \
    --tmpfs /tmp --tmpfs /home/ray:uid=1000,gid=1000 "$image" "$@"
}

echo "== its user is nobody special, and the probes' tools are there"
# shellcheck disable=SC2016 # the container's shell reads these
run bash -c 'test "$(id -u)" = 1000 && command -v wget grep bash'

echo "== the programs of all Pods start"
run trailmind --help > /dev/null
run ray --version
run /usr/local/share/trailmind/haproxy -v
run python -c "import launch.cli.main, cluster.jobs.worker_deployment, models.migrations.run, cluster.jobs.regenerate, serve.app, serve.deployments"

echo "== what the service reads at run time is inside"
run python -c "
from importlib.resources import files
wanted = ['dashboard/index.html']
missing = [w for w in wanted if not files('serve').joinpath('static', w).is_file()]
assert not missing, missing
assert list(files('models').joinpath('migrations/versions').iterdir())
"

bytes="$(docker image inspect --format '{{.Size}}' "$image")"
echo "== $((bytes / 1000000)) MB"
if ((bytes > max_bytes)); then
  echo "the image has grown past $((max_bytes / 1000000)) MB" >&2
  exit 1
fi
