"""A cluster of several real Ray nodes on one machine, for tests and demonstrations.

It is a small version of what KubeRay runs: a head without work, worker nodes labelled by group, a durable Valkey for
the state of the GCS so that the head can be replaced, one load balancer per node on one shared port (the kernel
distributes the connections), and a supervisor that replaces dead nodes. It is not meant for production: all nodes share
the disk and the memory of one machine, and fail with it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from cluster.scheduling.placement import GROUP_LABEL
from cluster.settings import Settings, with_changes
from launch.gcs_valkey import GcsValkey
from launch.listening_port import check_port
from launch.local_nodes import (
    DRAIN_TIMEOUT_S,
    NODE_MARKER,
    ClusterInfo,
    check_node_number,
    cluster_info_path,
    drain_node,
    groups_for,
    kill_node,
    node_ip,
)
from launch.local_server import ReportStatus, server_stores, with_signing_key
from launch.ray_environment import free_ports, local_ray_environment
from launch.stores.account import server_account
from launch.stores.sockets import socket_dir
from models.errors import ConfigurationError
from models.migrations.run import migrate
from models.plurals import counted

_HEAD = 0
#: CPUs of a worker node, unless TRAILMIND_NUM_CPUS says otherwise.
_NODE_CPUS = 2
_DEPLOY_TIMEOUT_S = 300
#: Environment of every node.
_RAY_ENVIRONMENT = {
    # Otherwise Ray refuses a second node on the loopback interface; each node gets its address explicitly.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    # Several load balancers share one port on one machine.
    "SERVE_SOCKET_REUSE_PORT_ENABLED": "1",
    # How long workers wait for a replaced head; KubeRay sets the same.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    # Pods have more time, see kuberay/.
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(DRAIN_TIMEOUT_S),
    # On a busy machine a node starts slowly.
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


class LocalCluster:
    """A head (node 0) and worker nodes, their stores, and the supervisor that replaces dead nodes.

    `settings` are those of `trailmind up`. A dead node is replaced after `replace_after_s`; None never replaces one.
    """

    def __init__(self, settings: Settings, num_nodes: int = 3, *, replace_after_s: float | None = 1.0) -> None:
        """Raises BadRequest for an invalid number of worker nodes."""
        self.groups = groups_for(num_nodes)
        self._settings, self._replace_after_s = settings, replace_after_s
        self._stack = ExitStack()
        self._nodes: dict[int, subprocess.Popen[bytes]] = {}
        self._starts_before: dict[int, int] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._environment: dict[str, str] = {}
        self._gcs_port, self._client_port = free_ports(2)
        self.directory = str(settings.data_dir)

    @property
    def ray_address(self) -> str:
        """The address of the head."""
        return f"{node_ip(_HEAD)}:{self._gcs_port}"

    @property
    def settings(self) -> Settings:
        """The settings of the nodes; after `start` with the URLs of the stores."""
        return self._settings

    def start(self, report: ReportStatus = lambda _: None) -> None:
        """Start everything and return when `/ready` answers. `stop` undoes it; a failed start stops by itself.

        Raises:
            ConfigurationError: the head does not start, or the application cannot be deployed.
            StoresError: an embedded store cannot run.
        """
        try:
            self._start(report)
        except BaseException:
            self.stop()
            raise

    def _start(self, report: ReportStatus) -> None:
        check_port("127.0.0.1", self._settings.server.port)
        self._settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        report("Starting PostgreSQL and Valkey …")
        settings = self._stack.enter_context(server_stores(with_signing_key(self._settings), report))
        # At most one replica of the API per node, so that one dead node cannot end both.
        num_replicas = min(2, sum(group in {"serve", "all"} for group in self.groups))
        # At least two shards, so that a demonstration shows how they move between nodes.
        num_shards = max(settings.scaling.num_shards, 2)
        settings = with_changes(settings, placement="groups", num_api_replicas=num_replicas, num_shards=num_shards)
        migrate(settings.database.sqlalchemy_url)
        self._settings = settings
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TRAILMIND_"))},
            **local_ray_environment(settings),
            **self._start_gcs_valkey(settings),
            **_RAY_ENVIRONMENT,
        }
        report(f"Starting a head and {counted(len(self.groups), 'node')} …")
        self._start_node(_HEAD)
        self._wait_for_head()
        for number in range(1, len(self.groups) + 1):
            self._start_node(number)
        self._write_cluster_info()
        threading.Thread(target=self._supervise, name="nodes", daemon=True).start()
        # Actors created earlier would all be placed on the first node that is up, and stay there.
        _wait_until(self.all_nodes_up)
        report("Starting the API …")
        self.deploy(is_first=True)

    def _start_gcs_valkey(self, settings: Settings) -> dict[str, str]:
        (port,) = free_ports(1)
        password = secrets.token_urlsafe(24)
        account = server_account(settings.data_dir)
        logs = settings.data_dir / "logs"
        account.make_dir(logs)
        sockets = socket_dir(settings.data_dir, account)
        server = GcsValkey(settings.data_dir / "gcs-valkey", logs / "gcs.log", account, sockets, port, password)
        server.start(self._closing)
        self._stack.callback(server.stop)
        return {
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{port}",
            "RAY_REDIS_PASSWORD": password,
            "RAY_external_storage_namespace": f"trailmind-{secrets.token_hex(4)}",
        }

    def _node_environment(self, number: int) -> dict[str, str]:
        run_dir = self._settings.data_dir / "run" / f"node-{number}"
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        stats_port, metrics_port, fallback_port, fallback_grpc_port = free_ports(4)
        environment = {
            **self._environment,
            NODE_MARKER: f"{self.directory}#{number}",
            "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_port),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc_port),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(run_dir / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(self._short_dir / "s"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(run_dir),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(run_dir / "server-state"),
        }
        if number != _HEAD:
            # Only the head connects to the Valkey of the GCS.
            for name in ("RAY_REDIS_ADDRESS", "RAY_REDIS_PASSWORD"):
                environment.pop(name)
        return environment

    @property
    def _short_dir(self) -> Path:
        # `launch.ray_environment` explains why the paths of sockets must be short.
        return Path(self._environment["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent

    def _start_node(self, number: int) -> None:
        # Each node has a directory of its own: a plain `ray.init()` of another program on this machine would find the
        # default directory and join, and nodes that start at the same moment in one directory collide on socket names.
        temp_dir = self._short_dir / f"ray{number}"
        # A killed head leaves its address behind, and Ray would not start a second head while the other nodes use it.
        (temp_dir / "ray_current_cluster").unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "launch.cluster_node",
            "start",
            "--block",
            f"--node-ip-address={node_ip(number)}",
            "--disable-usage-stats",
            f"--temp-dir={temp_dir}",
            "--object-store-memory=100000000",
            "--include-log-monitor=false",
        ]
        if number == _HEAD:
            command += [
                "--head",
                f"--port={self._gcs_port}",
                "--num-cpus=0",
                "--include-dashboard=false",
                "--no-monitor",
                f"--redis-password={self._environment['RAY_REDIS_PASSWORD']}",
                f"--ray-client-server-port={self._client_port}",
                f"--labels={GROUP_LABEL}=head",
            ]
        else:
            group = self.groups[number - 1]
            num_cpus = self._settings.scaling.num_cpus or _NODE_CPUS
            command += [f"--address={self.ray_address}", f"--num-cpus={num_cpus}", f"--labels={GROUP_LABEL}={group}"]
        self._starts_before[number] = self._num_starts(number)
        with self._log_path(number).open("ab") as log:
            self._nodes[number] = subprocess.Popen(
                command,
                env=self._node_environment(number),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_for_head(self) -> None:
        # A node that starts before the head is ready fails.
        _wait_until(lambda: self._is_up(_HEAD) or self._nodes[_HEAD].poll() is not None)
        if not self._is_up(_HEAD):
            raise ConfigurationError(f"the head did not start; see {self._log_path(_HEAD)}")

    def _log_path(self, number: int) -> Path:
        return self._settings.data_dir / "logs" / f"node-{number}.log"

    def _num_starts(self, number: int) -> int:
        # Ray writes this line once for each successful start.
        path = self._log_path(number)
        return path.read_text(errors="replace").count("Ray runtime started") if path.exists() else 0

    def _is_up(self, number: int) -> bool:
        return self._nodes[number].poll() is None and self._num_starts(number) > self._starts_before[number]

    def all_nodes_up(self) -> bool:
        """Whether every node runs and has joined, including the replacements of dead nodes."""
        with self._lock:
            return all(self._is_up(number) for number in self._nodes)

    def deploy(self, *, is_first: bool = False) -> None:
        """Deploy the application; unless `is_first`, as a rolling update.

        Raises:
            ConfigurationError: the deployment failed; the message ends with its last output.
        """
        version = [] if is_first else [secrets.token_hex(4)]
        result = subprocess.run(
            [sys.executable, "-m", "launch.deploy", self.ray_address, *version],
            env={**self._environment, NODE_MARKER: f"{self.directory}#driver"},
            capture_output=True,
            text=True,
            timeout=_DEPLOY_TIMEOUT_S,
            check=False,
        )
        if result.returncode:
            raise ConfigurationError(f"the application could not be started:\n{result.stderr[-2000:]}")

    def drain(self, number: int) -> None:
        """Drain node `number` (see `drain_node`); the supervisor replaces it. Raises BadRequest for no such node."""
        check_node_number(number, self.groups)
        drain_node(self.directory, number)

    def kill(self, number: int) -> int:
        """Kill node `number` (0 is the head) and return the number of its processes; the supervisor replaces it.

        Raises BadRequest when there is no such node.
        """
        check_node_number(number, self.groups)
        process = self._nodes[number]
        num_processes = kill_node(self.directory, number)
        # Wait, so that `all_nodes_up` is False from now on.
        process.wait(timeout=30)
        return num_processes

    def _supervise(self) -> None:
        while not self._closing.wait(0.5):
            for number, process in list(self._nodes.items()):
                if process.poll() is None or self._replace_after_s is None:
                    continue
                # A pause, so that a node that cannot start does not occupy the machine.
                kill_node(self.directory, number)
                if self._closing.wait(self._replace_after_s):
                    return
                with self._lock:
                    if not self._closing.is_set():
                        self._start_node(number)

    def _write_cluster_info(self) -> None:
        cluster = ClusterInfo(self.directory, self.ray_address, self._settings.server.origin, self.groups, os.getpid())
        path = cluster_info_path(self._settings.data_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(cluster)))
        self._stack.callback(path.unlink, missing_ok=True)

    def stop(self) -> None:
        """Stop every node, then the stores. A repeat changes nothing."""
        self._closing.set()
        with self._lock:
            for number in sorted(self._nodes, reverse=True):
                kill_node(self.directory, number)
            for process in self._nodes.values():
                process.wait(timeout=30)
        self._stack.close()


def _wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
