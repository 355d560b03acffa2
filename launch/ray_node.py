"""Ray's processes on one machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

from cluster import ray_internals
from launch.ray_environment import free_ports

_AGENTS_NICENESS = 10


@contextlib.contextmanager
def local_ray_node(*, has_metrics: bool) -> Iterator[None]:
    """Within the block, `ray.init` starts a node with fewer processes (see `cluster.ray_internals.LocalRayNode`).

    At the end the priority of the node's agents is lowered: they import for seconds, and nothing waits for them.
    """
    with ray_internals.local_ray_node(tuple(free_ports(ray_internals.NUM_AGENT_PORTS)), has_metrics=has_metrics):
        yield
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, OSError):
            if any("agent" in part for part in process.cmdline()[:4]):
                process.nice(_AGENTS_NICENESS)
