"""Ray's processes on a laptop: only those that something here uses, and nobody waits for the others.

A head node as `ray.init` starts it has three Python programs that are of no use on one machine: the API server (what
is left of Ray's dashboard when it is off), the autoscaler's monitor, and the log monitor. `ray.init` also waits for the
first of them, and then until both of the node's agents, each another Python program, have imported everything and
written down which port they got. On two cores that was half of the time to start (`make bench-start`). Here the three
stay away, the agents are told their ports instead, so that nobody has to wait to learn them, and come behind whatever
people wait for.

Ray offers no setting for any of this, so a class of its own insides is refined; `pyproject.toml` names Ray's version.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import ray._private.node
import ray._private.utils
from ray import _raylet

from launch.ray_environment import free_ports

_untyped: Any = _raylet
_AGENT_PORTS = {
    "metrics_agent_port": _untyped.METRICS_AGENT_PORT_NAME,
    "metrics_export_port": _untyped.METRICS_EXPORT_PORT_NAME,
    "dashboard_agent_listen_port": _untyped.DASHBOARD_AGENT_LISTEN_PORT_NAME,
    "runtime_env_agent_port": _untyped.RUNTIME_ENV_AGENT_PORT_NAME,
}
_AGENTS_NICENESS = 10


class LocalRayNode(ray._private.node.Node):
    """The only node of a cluster on one machine."""

    def start_api_server(self, **_: Any) -> None:
        """Nobody asks it anything: our own commands read from the GCS."""

    def start_monitor(self, *_: Any) -> None:
        """Nothing here scales."""

    def start_log_monitor(self) -> None:
        """`log_to_driver` is off: nobody reads what it would forward."""

    def start_raylet(self, *arguments: Any, **options: Any) -> None:
        """Start the raylet, with the agents' ports known beforehand."""
        node: Any = self
        for (parameter, name), port in zip(_AGENT_PORTS.items(), free_ports(len(_AGENT_PORTS)), strict=True):
            setattr(node._ray_params, parameter, port)
            _untyped.persist_port(node.get_session_dir_path(), node.node_id, name, port)
        super().start_raylet(*arguments, **options)


@contextlib.contextmanager
def local_ray_node() -> Iterator[None]:
    """Within, `ray.init` starts a `LocalRayNode`."""
    with (
        mock.patch.object(ray._private.node, "Node", LocalRayNode),
        # Ray imports everything the agents need to find out whether they could: ray[default] is a dependency of ours.
        mock.patch.object(ray._private.utils, "get_dashboard_dependency_error", return_value=None),
    ):
        yield
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, OSError):
            if any("agent" in part for part in process.cmdline()[:4]):
                process.nice(_AGENTS_NICENESS)


def kill_haproxy(data_dir: Path) -> int:
    """End the load balancers that serve from this data directory; how many there were."""
    place = f"{data_dir / 'run' / 'haproxy'}{os.sep}"
    num_ended = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if "haproxy" in process.name() and any(word.startswith(place) for word in process.cmdline()):
                process.kill()
                num_ended += 1
    return num_ended
