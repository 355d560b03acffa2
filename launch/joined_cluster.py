"""Joins the Ray cluster in which a command does its work, or starts one that lives as long as the command."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.settings import Settings, to_environment
from launch.local_nodes import ClusterInfo, node_ip, ray_client_environment, running_cluster
from launch.ray_environment import local_ray_environment
from launch.secret_store import local_secret
from launch.stores import StoresInUse, data_dir_holder
from models.errors import ConfigurationError

_CONNECT_TIMEOUT_S = 2.0
#: Where the application finds its actors by name.
_NAMESPACE = "trailmind"


def address_file(data_dir: Path) -> Path:
    """Where `trailmind up` publishes the address of its Ray."""
    return data_dir / "run" / "ray-address"


def running_ray_address(data_dir: Path) -> str | None:
    """The address of the Ray of a running `trailmind up`; None when none runs. A file that a crash left is ignored."""
    try:
        address = address_file(data_dir).read_text().strip()
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S):
            return address
    except (OSError, ValueError):
        return None


def origin_file(data_dir: Path) -> Path:
    """Where `trailmind up` publishes the origin of its API."""
    return data_dir / "run" / "origin"


def running_origin(data_dir: Path) -> str | None:
    """The origin of a running `trailmind up` with this data directory, whatever its port; None when none runs."""
    if running_ray_address(data_dir) is None:
        return None
    try:
        return origin_file(data_dir).read_text().strip() or None
    except OSError:
        return None


def server_origin(settings: Settings) -> str:
    """Where users reach the server of `settings`: its public address, or where it runs, whatever port it was given."""
    published = running_origin(settings.data_dir) if settings.server.public_url is None else None
    return published or settings.server.origin


def require_free_data_dir(data_dir: Path) -> None:
    """Return when no process runs Trailmind on `data_dir`. Raises StoresInUse, which names the process."""
    if (holder := data_dir_holder(data_dir)) is not None:
        raise StoresInUse(data_dir, holder.pid, running_origin(data_dir))


def _running_nodes(data_dir: Path) -> ClusterInfo | None:
    """The nodes of a running `trailmind cluster up`; None when none run."""
    try:
        return running_cluster(data_dir)
    except ConfigurationError:
        return None


@contextmanager
def joined_cluster(settings: Settings) -> Iterator[None]:
    """Within the block, this process is a driver in a Ray cluster.

    That is the cluster at RAY_ADDRESS (which Ray sets for submitted jobs), else the one of a running `trailmind up` or
    `trailmind cluster up`, else a new one on this machine. `settings` must have the URLs of the stores.
    """
    address = settings.scaling.ray_address
    options: dict[str, Any] = {"namespace": _NAMESPACE, "log_to_driver": False, "configure_logging": False}
    if address is None and (address := running_ray_address(settings.data_dir)) is not None:
        os.environ.update(
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN=local_secret(settings.data_dir, "ray-token"),
            RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
        )
        options["_node_ip_address"] = "127.0.0.1"
    if address is None and (nodes := _running_nodes(settings.data_dir)) is not None:
        address = nodes.ray_address
        os.environ.update(ray_client_environment(nodes, settings))
        options["_node_ip_address"] = node_ip(0)
    if address is None:
        # Ray reads these variables when it is imported, and every process that it starts inherits them.
        os.environ.update(local_ray_environment(settings))
    os.environ.update(to_environment(settings))
    # Ray is imported after its variables are set.
    import ray

    from launch.ray_node import local_ray_node

    untyped: Any = ray
    if address is not None:
        untyped.init(address=address, **options)
    else:
        with local_ray_node(has_metrics=settings.server.local_metrics):
            untyped.init(
                address="local",
                num_cpus=settings.scaling.num_cpus or os.cpu_count() or 1,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                **options,
            )
    try:
        yield
    finally:
        untyped.shutdown()
