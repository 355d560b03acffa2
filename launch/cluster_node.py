"""One node of a cluster on one machine: `python -m launch.cluster_node start …`, with the options of `ray start`.

`ray start` returns when the agents of the node have imported everything they need, which took most of the time until a
killed node was replaced (`make chaos`). Here nothing waits for them; see `cluster.ray_internals.LocalRayNode`.
"""

from __future__ import annotations

from typing import Any

from ray.scripts import scripts

from launch.ray_node import local_ray_node


def main() -> None:
    """Run the command line of Ray; `--block` makes it last as long as the node."""
    untyped: Any = scripts
    # A rolling update gives the new replicas a runtime environment (`launch.deploy`).
    with local_ray_node(has_metrics=False, has_runtime_environments=True):
        untyped.main()


if __name__ == "__main__":
    main()
