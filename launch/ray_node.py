"""Ray's processes on one machine."""

from __future__ import annotations

from contextlib import AbstractContextManager

from cluster import ray_internals
from launch.ray_environment import free_ports


def local_ray_node(*, has_metrics: bool, has_runtime_environments: bool = False) -> AbstractContextManager[None]:
    """Within the block, Ray starts a node with fewer processes (see `cluster.ray_internals.LocalRayNode`)."""
    agent_ports = tuple(free_ports(ray_internals.NUM_AGENT_PORTS))
    return ray_internals.local_ray_node(
        agent_ports, has_metrics=has_metrics, has_runtime_environments=has_runtime_environments
    )
