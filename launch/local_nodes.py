"""The nodes of a cluster on one machine, as any process on the machine can find, kill, drain and list them."""

from __future__ import annotations

import contextlib
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cluster.scheduling.placement import GROUP_LABEL
from cluster.settings import Settings
from launch.secret_store import local_secret
from launch.stores import data_dir_holder
from models.errors import BadRequest, ConfigurationError

#: The variable in the environment of every process of a node, with the value `directory#number`. Child processes of
#: Ray inherit it.
NODE_MARKER = "LOCAL_RAY_NODE"
MAX_NODES = 8
#: The time a drained node has to finish its work before it ends.
DRAIN_TIMEOUT_S = 10
_GROUPS = {1: ("all",), 2: ("all", "all"), 3: ("serve", "serve", "all"), 4: ("serve", "serve", "state", "ai")}


def node_ip(number: int) -> str:
    """The address of a node, within 127.0.0.0/8; for 127.0.0.1 Ray would substitute the address on the network."""
    return f"127.0.0.{number + 2}"


def groups_for(num_nodes: int) -> tuple[str, ...]:
    """The group of each worker node: every group has a node, and the API has two nodes as soon as there are two.

    Raises:
        BadRequest: `num_nodes` is not 1 to `MAX_NODES`.
    """
    if not 1 <= num_nodes <= MAX_NODES:
        raise BadRequest(f"a cluster on one machine has 1 to {MAX_NODES} nodes beside its head, not {num_nodes}")
    return _GROUPS.get(num_nodes) or ("serve", "serve", "state", "state", *["ai"] * (num_nodes - 4))


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """What another command needs to know about a running cluster."""

    directory: str
    ray_address: str
    origin: str
    groups: tuple[str, ...]
    supervisor_pid: int


def cluster_info_path(data_dir: Path) -> Path:
    """The file in which a running cluster publishes its `ClusterInfo`."""
    return data_dir / "run" / "cluster.json"


def running_cluster(data_dir: Path) -> ClusterInfo:
    """The cluster that runs on `data_dir`. Raises ConfigurationError when there is none."""
    try:
        fields = json.loads(cluster_info_path(data_dir).read_text())
        cluster = ClusterInfo(**{**fields, "groups": tuple(fields["groups"])})
    except (OSError, ValueError, TypeError, KeyError):
        cluster = None
    if cluster is None or not psutil.pid_exists(cluster.supervisor_pid):
        if data_dir_holder(data_dir) is not None:
            raise ConfigurationError(
                "the server that runs here is one process tree without nodes (`trailmind up`); `trailmind doctor` "
                "checks it, and `trailmind cluster up` starts a cluster on another data directory"
            )
        raise ConfigurationError("no cluster runs here: start one with `trailmind cluster up`")
    return cluster


def node_processes(directory: str, number: int) -> list[psutil.Process]:
    """Every process of a node, including processes whose parent has ended."""
    marker, processes = f"{directory}#{number}", []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(NODE_MARKER) == marker:
                processes.append(process)
    return processes


def kill_node(directory: str, number: int) -> int:
    """Kill all processes of a node at the same moment, as a power failure does; return their number."""
    processes = node_processes(directory, number)
    # Stopped first, so that no process can react to the end of another one.
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return len(processes)


def drain_node(directory: str, number: int) -> None:
    """Drain a node, as Kubernetes does before an upgrade: it accepts no new work, finishes its work and ends.

    Returns at once.

    Raises:
        ConfigurationError: the node does not run.
    """
    for process in node_processes(directory, number):
        with contextlib.suppress(psutil.Error):
            if {"start", "--block"} <= set(process.cmdline()):
                process.terminate()
                return
    raise ConfigurationError(f"node {number} does not run at the moment")


def check_node_number(number: int, groups: tuple[str, ...]) -> None:
    """Raise BadRequest unless a cluster with these worker groups has a node `number`; the head is 0."""
    if not 0 <= number <= len(groups):
        raise BadRequest(f"there is no node {number}: nodes are 0 (the head) to {len(groups)}")


def ray_client_environment(cluster: ClusterInfo, settings: Settings) -> dict[str, str]:
    """The environment variables with which a program can connect to a running cluster."""
    token = local_secret(settings.data_dir, "ray-token")
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_ADDRESS": cluster.ray_address}


def list_nodes(cluster: ClusterInfo) -> list[dict[str, Any]]:
    """Every node that Ray knows: `node_id`, `group`, `state` ("alive" or "dead") and the names of its actors.

    The variables of `ray_client_environment` must be set.
    """
    import ray

    from cluster.ray_internals import live_actors

    untyped: Any = ray
    untyped.init(
        address=cluster.ray_address,
        namespace="trailmind",
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address=node_ip(0),
    )
    try:
        actors = live_actors()
        return [
            {
                "node_id": node["NodeID"],
                "group": node["Labels"].get(GROUP_LABEL, "-"),
                "state": "alive" if node["Alive"] else "dead",
                "actors": sorted(
                    actor["Name"] or actor["ActorClassName"]
                    for actor in actors
                    if actor["Address"]["NodeID"] == node["NodeID"]
                ),
            }
            for node in untyped.nodes()
        ]
    finally:
        untyped.shutdown()
