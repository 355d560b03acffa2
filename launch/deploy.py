"""Puts the application on a running Ray cluster: `python -m launch.deploy ADDRESS [VERSION]`.

It is a program of its own because Ray ends a driver together with the node that it is connected to, and the supervisor
of a local cluster must outlive its nodes. Deploying another VERSION of a running application is a rolling update: the
new replicas start, then the old ones finish their requests and stop.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from cluster.scheduling.placement import check_groups, placement_options
from cluster.scheduling.shards import connect_shard, current_shard_map
from cluster.settings import load_settings
from launch.local_server import APP_NAME
from launch.readiness import wait_until_ready
from models.errors import ConfigurationError


def deploy(address: str, version: str | None = None, timeout_s: float = 240.0) -> None:
    """Deploy to the cluster at `address` and return when `/ready` answers.

    Raises:
        ConfigurationError: a node group is missing, or the server is not ready within `timeout_s`.
    """
    import ray
    from ray import serve
    from ray.serve.config import HTTPOptions

    from serve.deployments import build

    settings, deadline = load_settings(), time.monotonic() + timeout_s
    untyped: Any = ray
    untyped.init(
        address=address,
        namespace=APP_NAME,
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address=address.partition(":")[0],
    )
    while True:
        try:
            check_groups(settings, untyped.nodes())
            break
        except ConfigurationError:
            if time.monotonic() > deadline - timeout_s / 2:
                raise
            time.sleep(0.5)
    # One process creates all shards in turn: Ray spreads the actors of each caller, so two replicas that create them at
    # the same time would both begin with the same node. Running shards stay where they are.
    for index in range(asyncio.run(current_shard_map(settings)).num_shards):
        connect_shard(settings, index)
    # Other nodes reach the replicas at the address of their node; the load balancers listen on loopback only.
    serve.start(proxy_location="EveryNode", http_options=HTTPOptions(host="0.0.0.0", port=settings.server.port))  # noqa: S104
    release: dict[str, Any] = {"num_cpus": 0}
    if version is not None:
        # A changed variable makes Serve start new replicas. Without a runtime environment they use prestarted workers.
        release["runtime_env"] = {"env_vars": {"RELEASE": version}}
    options = {
        "Api": {"ray_actor_options": {**release, **placement_options(settings, "serve")}, "max_replicas_per_node": 1},
        "GenerationWorker": {"ray_actor_options": {**release, **placement_options(settings, "ai")}},
        "MaintenanceWorker": {"ray_actor_options": {**release, **placement_options(settings, "serve")}},
    }
    serve.run(build(options), name=APP_NAME, route_prefix="/", blocking=False)
    wait_until_ready(settings.server.origin, max(deadline - time.monotonic(), 0.0), every_s=0.2)


if __name__ == "__main__":
    deploy(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
