"""A cluster of several real Ray nodes on one machine, for tests and for people who want to see one.

It is what KubeRay runs, in small: a head without work, worker nodes labelled by group, the GCS's memory in a Valkey
of its own so that the head may die, one load balancer per node on one port (the kernel shares the connections out),
and someone who replaces nodes that die. It is not a way to run Trailmind for others: all nodes share one machine's
disk, memory and luck.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from cluster.scheduling.placement import GROUP_LABEL
from cluster.settings import Settings, with_changes
from launch.gcs_valkey import GcsValkey
from launch.local_server import available_stores, with_signing_key
from launch.ray_environment import free_ports, local_ray_environment
from launch.stores.account import server_account
from launch.stores.sockets import socket_dir
from models.errors import BadRequest, ConfigurationError
from models.migrations.run import migrate

#: Marks every process of a node: `directory#number`. Ray's own processes and whatever they start inherit it.
NODE_MARKER = "LOCAL_RAY_NODE"
MAX_NODES = 8
#: How long a node that is asked to go may take to finish what it has accepted.
DRAIN_TIMEOUT_S = 10
_GROUPS = {1: ("all",), 2: ("all", "all"), 3: ("serve", "serve", "all"), 4: ("serve", "serve", "state", "ai")}


def node_ip(number: int) -> str:
    """A node's address. The whole of 127/8 is this machine; told 127.0.0.1, Ray would take the network's address."""
    return f"127.0.0.{number + 2}"


def groups_for(num_nodes: int) -> tuple[str, ...]:
    """The group of each worker node: every group is there, and the API is on two nodes as soon as there are two.

    Raises BadRequest for a number that cannot be.
    """
    if not 1 <= num_nodes <= MAX_NODES:
        raise BadRequest(f"a cluster on one machine has 1 to {MAX_NODES} nodes beside its head, not {num_nodes}")
    return _GROUPS.get(num_nodes) or ("serve", "serve", "state", "state", *["ai"] * (num_nodes - 4))


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """What another command needs to know of a running cluster."""

    directory: str
    ray_address: str
    origin: str
    groups: tuple[str, ...]
    supervisor_pid: int


def cluster_info_path(data_dir: Path) -> Path:
    """Where a running cluster says what it is."""
    return data_dir / "run" / "cluster.json"


def running_cluster(data_dir: Path) -> ClusterInfo:
    """The cluster that runs on `data_dir`. Raises ConfigurationError when there is none."""
    try:
        found = json.loads(cluster_info_path(data_dir).read_text())
        facts = ClusterInfo(**{**found, "groups": tuple(found["groups"])})
    except (OSError, ValueError, TypeError, KeyError):
        facts = None
    if facts is None or not psutil.pid_exists(facts.supervisor_pid):
        raise ConfigurationError("no cluster runs here: start one with `trailmind cluster up`")
    return facts


def node_processes(directory: str, number: int) -> list[psutil.Process]:
    """Every process of a node, also those whose parent is gone."""
    mark, found = f"{directory}#{number}", []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(NODE_MARKER) == mark:
                found.append(process)
    return found


def kill_node(directory: str, number: int) -> int:
    """Kill a node as a power cut would; return how many processes went."""
    processes = node_processes(directory, number)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return len(processes)


def drain_node(directory: str, number: int) -> None:
    """Ask a node to go, as Kubernetes does before an upgrade: it takes no new work, finishes what it has and ends.

    Returns at once. Raises ConfigurationError when the node does not run.
    """
    for process in node_processes(directory, number):
        with contextlib.suppress(psutil.Error):
            if {"start", "--block"} <= set(process.cmdline()):
                process.terminate()
                return
    raise ConfigurationError(f"node {number} does not run at the moment")


class LocalCluster:
    """Head and worker nodes, their stores, and the supervisor that replaces what dies.

    Node 0 is the head. `settings` as for `trailmind up`.
    """

    def __init__(self, settings: Settings, num_nodes: int = 3, *, replace_after_s: float | None = 3.0) -> None:
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
        """The head's address."""
        return f"{node_ip(0)}:{self._gcs_port}"

    @property
    def settings(self) -> Settings:
        """The settings with everything filled in."""
        return self._settings

    def start(self, report: Callable[[str], None] = lambda _: None) -> None:
        """Start everything and return when requests are answered. Undone by `stop`, also after a failure here."""
        try:
            self._start(report)
        except BaseException:
            self.stop()
            raise

    def _start(self, report: Callable[[str], None]) -> None:
        self._settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        report("Starting PostgreSQL and Valkey …")
        settings = self._stack.enter_context(available_stores(with_signing_key(self._settings), report))
        # One replica of the API per node at most, or a dead node could take both.
        num_replicas = min(2, sum(group in {"serve", "all"} for group in self.groups))
        # Shards are what is to be seen moving about, so there are two at least.
        num_shards = max(settings.scaling.num_shards, 2)
        settings = with_changes(settings, placement="groups", num_api_replicas=num_replicas, num_shards=num_shards)
        migrate(settings.database.sqlalchemy_url)
        self._settings = settings
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TRAILMIND_"))},
            **local_ray_environment(settings),
            **self._start_gcs_valkey(settings),
            # Else Ray refuses a second node; every address is given to it in so many words instead.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
            # Several load balancers share one port on one machine.
            "SERVE_SOCKET_REUSE_PORT_ENABLED": "1",
            # Workers wait this long for a head that comes back; KubeRay sets the same.
            "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
            # A node that is asked to go finishes what it has within this time; Pods have more, see kuberay/.
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(DRAIN_TIMEOUT_S),
            # On a busy machine a node takes its time.
            "RAY_raylet_start_wait_time_s": "120",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "2000",
            "RAY_health_check_failure_threshold": "3",
        }
        report(f"Starting a head and {len(self.groups)} nodes …")
        self._start_node(0)
        self._wait_for_head()
        for number in range(1, len(self.groups) + 1):
            self._start_node(number)
        self._write_cluster_info()
        threading.Thread(target=self._supervise, name="nodes", daemon=True).start()
        # Or whatever is started first would find its way to the first node that is up, and stay there.
        _wait_until(self.all_nodes_up)
        report("Starting the API …")
        self.deploy(is_first=True)

    def _start_gcs_valkey(self, settings: Settings) -> dict[str, str]:
        (port,) = free_ports(1)
        password = secrets.token_urlsafe(24)
        account = server_account(settings.data_dir)
        home = settings.data_dir / "gcs-valkey"
        server = GcsValkey(
            home,
            settings.data_dir / "logs" / "gcs.log",
            account,
            socket_dir(settings.data_dir, account),
            port,
            password,
        )
        account.make_dir(settings.data_dir / "logs")
        server.start(self._closing)
        self._stack.callback(server.stop)
        return {
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{port}",
            "RAY_REDIS_PASSWORD": password,
            "RAY_external_storage_namespace": f"trailmind-{secrets.token_hex(4)}",
        }

    def _node_environment(self, number: int) -> dict[str, str]:
        run = self._settings.data_dir / "run" / f"node-{number}"
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        stats, metrics, fallback, fallback_grpc = free_ports(4)
        base = Path(self._environment["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent
        found = {
            **self._environment,
            NODE_MARKER: f"{self.directory}#{number}",
            "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(run / "haproxy.cfg"),
            # Ray puts the node's id, 56 letters, before the name, and HAProxy takes 97 in all.
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(base / "s"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(run),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(run / "server-state"),
        }
        if number:
            # Only the head speaks to the GCS's memory.
            for name in ("RAY_REDIS_ADDRESS", "RAY_REDIS_PASSWORD"):
                found.pop(name)
        return found

    def _start_node(self, number: int) -> None:
        ray = str(Path(sys.executable).with_name("ray"))
        common = [ray, "start", "--block", f"--node-ip-address={node_ip(number)}", "--disable-usage-stats"]
        # A directory of its own: a plain `ray.init()` elsewhere on this machine would find the default one and join,
        # and nodes that start at the same moment in one directory take each other's socket names.
        temp = Path(self._environment["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent / f"ray{number}"
        common.append(f"--temp-dir={temp}")
        # A killed head leaves its address behind, and Ray, which sees the other nodes use it, would not start another.
        (temp / "ray_current_cluster").unlink(missing_ok=True)
        # Nobody follows the workers' output through Ray, and nothing scales here.
        common += ["--object-store-memory=100000000", "--include-log-monitor=false"]
        if number == 0:
            password = self._environment["RAY_REDIS_PASSWORD"]
            what = ["--head", f"--port={self._gcs_port}", "--num-cpus=0", "--include-dashboard=false"]
            what += [f"--redis-password={password}", f"--labels={GROUP_LABEL}=head", "--no-monitor"]
            what.append(f"--ray-client-server-port={self._client_port}")
        else:
            what = [
                f"--address={self.ray_address}",
                "--num-cpus=2",
                f"--labels={GROUP_LABEL}={self.groups[number - 1]}",
            ]
        self._starts_before[number] = self._num_starts(number)
        with self._log_path(number).open("ab") as log:
            self._nodes[number] = subprocess.Popen(
                [*common, *what],
                env=self._node_environment(number),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_for_head(self) -> None:
        # A node that comes while the head is half up waits for it in vain.
        _wait_until(lambda: self._is_up(0) or self._nodes[0].poll() is not None)
        if not self._is_up(0):
            raise ConfigurationError(f"the head did not start; see {self._log_path(0)}")

    def _log_path(self, number: int) -> Path:
        return self._settings.data_dir / "logs" / f"node-{number}.log"

    def _num_starts(self, number: int) -> int:
        # Ray says so once for each launch that came to something.
        path = self._log_path(number)
        return path.read_text(errors="replace").count("Ray runtime started") if path.exists() else 0

    def _is_up(self, number: int) -> bool:
        return self._nodes[number].poll() is None and self._num_starts(number) > self._starts_before[number]

    def all_nodes_up(self) -> bool:
        """Whether every node is up: none has died, and those started in the place of dead ones have joined."""
        with self._lock:
            return all(self._is_up(number) for number in self._nodes)

    def deploy(self, *, is_first: bool = False) -> None:
        """Put the application on the cluster anew: a rolling update, unless there is nothing yet."""
        version = [] if is_first else [secrets.token_hex(4)]
        result = subprocess.run(
            [sys.executable, "-m", "launch.deploy", self.ray_address, *version],
            env={**self._environment, NODE_MARKER: f"{self.directory}#driver"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if result.returncode:
            raise ConfigurationError(f"the application could not be started:\n{result.stderr[-2000:]}")

    def drain(self, number: int) -> None:
        """Ask node `number` to finish and go (see `drain_node`). The supervisor replaces it."""
        self._check_number(number)
        drain_node(self.directory, number)

    def kill(self, number: int) -> int:
        """Kill node `number` (0 is the head); return how many processes went. The supervisor replaces it."""
        self._check_number(number)
        process = self._nodes[number]
        count = kill_node(self.directory, number)
        # Dead for everybody who asks from now on.
        process.wait(timeout=30)
        return count

    def _check_number(self, number: int) -> None:
        if not 0 <= number <= len(self.groups):
            raise BadRequest(f"there is no node {number}: nodes are 0 (the head) to {len(self.groups)}")

    def _supervise(self) -> None:
        while not self._closing.wait(0.5):
            for number, process in list(self._nodes.items()):
                if process.poll() is None or self._replace_after_s is None:
                    continue
                # What KubeRay's operator does, with the time a Pod needs.
                kill_node(self.directory, number)
                if self._closing.wait(self._replace_after_s):
                    return
                with self._lock:
                    if not self._closing.is_set():
                        self._start_node(number)

    def _write_cluster_info(self) -> None:
        facts = ClusterInfo(self.directory, self.ray_address, self._settings.server.origin, self.groups, os.getpid())
        path = cluster_info_path(self._settings.data_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(facts)))
        self._stack.callback(path.unlink, missing_ok=True)

    def stop(self) -> None:
        """Stop every node, then the stores."""
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


def ray_client_environment(cluster: ClusterInfo, settings: Settings) -> dict[str, Any]:
    """What a program needs to speak to a running cluster."""
    from launch.secret_store import local_secret

    token = SecretStr(local_secret(settings.data_dir, "ray-token"))
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token.get_secret_value(), "RAY_ADDRESS": cluster.ray_address}


def list_nodes(cluster: ClusterInfo) -> list[dict[str, Any]]:
    """The nodes as Ray sees them, with the names of the actors on each. `ray_environment` must be in place."""
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
